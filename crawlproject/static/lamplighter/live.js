/* Refreshes [data-poll] elements while the page is seen, so often that nothing is older than two seconds (or
   data-poll-seconds). Elements with the same address share one request; an answer may hold a part for each ([data-part]
   names its id), else it is the content of all. Empty and 304: as it was. Logged out: no more questions.
   `X-Poll: over`: what is shown has ended; the whole page is asked for once more, unless somebody is typing in it, or
   what holds a draft says that it stays (data-poll-stays). */
'use strict';
{
  const groups = new Map();
  document.querySelectorAll('[data-poll]').forEach((el) => groups.set(el.dataset.poll, [...(groups.get(el.dataset.poll) || []), el]));

  const put = (el, html) => {
    if (el.contains(document.activeElement) || el.innerHTML === html) return;
    const open = [...el.querySelectorAll('details')].map((d) => d.open);
    el.innerHTML = html;
    el.querySelectorAll('details').forEach((d, n) => { if (open[n]) d.open = true; });
  };
  const fill = (elements, text) => {
    const box = document.createElement('template');
    box.innerHTML = text;
    const parts = new Map([...box.content.querySelectorAll('[data-part]')].map((part) => [part.dataset.part, part]));
    elements.forEach((el) => {
      const part = parts.get(el.id);
      if (part) { put(el, part.innerHTML); if ('out' in part.dataset) el.classList.toggle('is-out', part.dataset.out === '1'); }
      if (!parts.size) put(el, text);
    });
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
    let mark = '', seen = Date.now(), asking = false, timer = 0;
    const stop = () => { clearInterval(timer); document.removeEventListener('visibilitychange', ask); };
    const ask = async () => {
      if (document.hidden || asking) return;
      asking = true;
      const headers = { 'X-Requested-With': 'fetch', ...(mark && { 'If-None-Match': mark }) };
      const r = await fetch(address, { headers, cache: 'no-store', redirect: 'manual' }).catch(() => null);
      const text = r && r.ok ? await r.text().catch(() => '') : '';
      asking = false;
      if (r && (r.type === 'opaqueredirect' || r.status === 403)) stop();
      if (r && (r.ok || r.status === 304)) {
        seen = Date.now();
        age(elements, null);
        if (text) { mark = r.headers.get('ETag') || ''; fill(elements, text); }
        if (r.headers.get('X-Poll') === 'over') {
          stop();
          const stays = elements.some((el) => 'pollStays' in el.dataset);
          if (!stays && !document.querySelector('main :is(input, textarea, select):focus')) location.reload();
        }
      } else age(elements, Math.round((Date.now() - seen) / 1000));
    };
    timer = setInterval(ask, every);
    document.addEventListener('visibilitychange', ask);
  };
  groups.forEach((elements, address) => poll(address, elements));
}
