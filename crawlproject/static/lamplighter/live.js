/* Refreshes [data-poll] elements while the page is seen, so often that nothing is older than two seconds (or
   data-poll-seconds). Elements with the same address share one request; an answer may hold a part for each ([data-part]
   names its id), else it is the content of all. Empty and 304: as it was. Logged out: no more questions. What somebody
   presses, or has marked words in, waits for the next answer.
   `X-Poll: over`: what is shown has ended; the whole page is asked for once more, as soon as nobody is typing in it,
   unless what holds a draft says that it stays (data-poll-stays). */
'use strict';
{
  const PATIENCE = 10_000; // milliseconds, with a server that does not answer
  const groups = new Map();
  document.querySelectorAll('[data-poll]').forEach((el) => groups.set(el.dataset.poll, [...(groups.get(el.dataset.poll) || []), el]));

  const isInUse = (el) => {
    const marked = getSelection();
    return el.matches(':active') || (!marked.isCollapsed && el.contains(marked.anchorNode));
  };
  /* Whether the element shows it now. */
  const put = (el, html) => {
    if (el.innerHTML === html) return true;
    if (isInUse(el)) return false;
    refill(el, html);
    return true;
  };
  /* Whether all of them do. */
  const fill = (elements, text) => {
    const box = document.createElement('template');
    box.innerHTML = text;
    const parts = new Map([...box.content.querySelectorAll('[data-part]')].map((part) => [part.dataset.part, part]));
    return elements.map((el) => {
      const part = parts.get(el.id);
      if (part && 'out' in part.dataset) el.classList.toggle('is-out', part.dataset.out === '1');
      if (parts.size && !part) return true;
      return put(el, part ? part.innerHTML : text);
    }).every(Boolean);
  };
  /* “last seen 12 s ago”, above what is no longer fresh; nothing while it is. */
  const age = (elements, seconds) => elements.forEach((el) => {
    el.classList.toggle('is-stale', seconds !== null);
    const before = el.previousElementSibling, said = before && before.classList.contains('ll-seen') ? before : null;
    if (seconds === null) { if (said) said.remove(); return; }
    if (!el.dataset.stale) return;
    const note = said || el.insertAdjacentElement('beforebegin', Object.assign(document.createElement('p'), { className: 'll-seen' }));
    note.textContent = el.dataset.stale.replace('%s', seconds);
  });

  const poll = (address, elements) => {
    const every = Math.min(...elements.map((el) => Number(el.dataset.pollSeconds) || 2)) * 900;
    let mark = '', seen = Date.now(), asking = false, isOver = false, timer = 0;
    const stop = () => { clearInterval(timer); document.removeEventListener('visibilitychange', ask); };
    const renew = () => {
      if (document.querySelector('main :is(input, textarea, select):focus')) return;
      stop();
      location.reload();
    };
    const ask = async () => {
      if (document.hidden || asking) return;
      if (isOver) { renew(); return; }
      asking = true;
      const headers = { 'X-Requested-With': 'fetch', ...(mark && { 'If-None-Match': mark }) };
      const signal = AbortSignal.timeout && AbortSignal.timeout(PATIENCE);
      const r = await fetch(address, { headers, signal, cache: 'no-store', redirect: 'manual' }).catch(() => null);
      const text = r && r.ok ? await r.text().catch(() => null) : '';
      asking = false;
      if (r && (r.type === 'opaqueredirect' || r.status === 403)) stop();
      if (r && text !== null && (r.ok || r.status === 304)) {
        seen = Date.now();
        age(elements, null);
        const isShown = !text || fill(elements, text);
        // What is not shown yet is asked for again as if it were new.
        if (text) mark = isShown ? r.headers.get('ETag') || '' : '';
        if (isShown && r.headers.get('X-Poll') === 'over') {
          isOver = !elements.some((el) => 'pollStays' in el.dataset);
          if (isOver) renew(); else stop();
        }
      } else age(elements, Math.round((Date.now() - seen) / 1000));
    };
    timer = setInterval(ask, every);
    document.addEventListener('visibilitychange', ask);
  };
  groups.forEach((elements, address) => poll(address, elements));
}
