/* Pick by pointing: a glass over the fetched page takes clicks and keys, asks the page's frame what lies there, and has
   the server propose selectors. The frame itself runs no script and hears nothing. */
'use strict';
{
  const card = document.querySelector('[data-pick]'), form = card.closest('form'), body = card.querySelector('[data-peek]');
  const frame = body.querySelector('iframe'), glass = body.querySelector('[data-glass]'), view = glass.closest('.ll-peek');
  const crumbs = body.querySelector('[data-crumbs]'), live = card.querySelector('[data-pick-live]');
  const HIGHEST = 20000, WIDEST = 4000;
  let seen = null, row = null, turn = 0;

  // --- the page in the frame ------------------------------------------------------------------------------------------
  const page = () => frame.getAttribute('src') && frame.contentDocument;
  const numbered = (number) => page() && page().querySelector(`[data-ll="${number}"]`);
  const chosen = () => form.elements.pick_chosen.value.split(' ').filter(Boolean);
  const nameOf = (el) => {
    const tag = el.dataset.tag || el.localName, words = (el.getAttribute('class') || '').trim().split(/\s+/).filter(Boolean);
    return tag + (el.id ? `#${el.id}` : '') + (words.length ? `.${words[0]}` : '');
  };
  const saying = (el) => {
    const text = (el.textContent || el.getAttribute('alt') || '').trim().replace(/\s+/g, ' ').slice(0, 80);
    return text ? `${nameOf(el)}: ${text}` : nameOf(el);
  };

  // As large as the page itself, so that the frame never scrolls and points of the glass are points of the page.
  const fit = () => {
    const root = page() && page().documentElement;
    if (!root) return;
    frame.width = view.clientWidth;
    frame.height = view.clientHeight;
    frame.width = Math.min(WIDEST, Math.max(view.clientWidth, root.scrollWidth));
    frame.height = Math.min(HIGHEST, Math.max(view.clientHeight, root.scrollHeight));
  };
  // Between two lines of a text lies the box around it: where that says nothing itself, the text is meant.
  const within = (el, x, y) => {
    if (!el || [...el.childNodes].some((one) => one.nodeType === Node.TEXT_NODE && one.data.trim())) return el;
    const around = (box) => box.left <= x && x <= box.right && box.top <= y && y <= box.bottom;
    const wrapped = [...el.children].find((one) => one.matches('[data-ll]') && one.getClientRects().length > 1 && around(one.getBoundingClientRect()));
    return wrapped ? within(wrapped, x, y) : el;
  };
  const at = (event) => {
    const corner = frame.getBoundingClientRect();
    const x = event.clientX - corner.left, y = event.clientY - corner.top;
    const el = page() && page().elementFromPoint(x, y);
    return el && within(el.closest('[data-ll]'), x, y);
  };

  const mark = () => {
    if (!page()) return;
    page().querySelectorAll('[data-mark]').forEach((el) => el.removeAttribute('data-mark'));
    const shown = row && card.contains(row) ? row : card.querySelector('tr[data-matched]');
    card.querySelectorAll('tr[data-matched]').forEach((tr) => tr.classList.toggle('is-shown', tr === shown));
    const set = (number, kind) => { const el = numbered(number); if (el) el.setAttribute('data-mark', kind); };
    if (shown) shown.dataset.matched.split(' ').filter(Boolean).forEach((number) => set(number, 'also'));
    chosen().forEach((number) => set(number, 'hit'));
  };

  const look = (el, isWalk) => {
    if (seen) seen.removeAttribute('data-seen');
    seen = el;
    if (!el) return;
    el.setAttribute('data-seen', 'over');
    if (!isWalk) return;
    const box = el.getBoundingClientRect();
    if (box.top < view.scrollTop || box.bottom > view.scrollTop + view.clientHeight) view.scrollTop = box.top - 60;
    if (box.left < view.scrollLeft || box.left > view.scrollLeft + view.clientWidth) view.scrollLeft = box.left - 40;
    trail(el);
    live.textContent = saying(el);
  };

  const trail = (el) => {
    crumbs.replaceChildren();
    const line = [];
    for (let one = el; one && one.localName !== 'html'; one = one.parentElement && one.parentElement.closest('[data-ll]')) line.unshift(one);
    line.slice(-8).forEach((one) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = nameOf(one);
      button.dataset.number = one.dataset.ll;
      if (one === el) button.setAttribute('aria-current', 'true');
      crumbs.append(button);
    });
  };

  const choose = (el, isMore) => {
    if (!el) return;
    look(el, true);
    const hint = card.querySelector('[data-hint]');
    if (hint) { hint.className = 'is-warn'; live.textContent = hint.textContent; return; }
    const number = el.dataset.ll, before = isMore ? chosen() : [];
    const now = before.includes(number) ? before.filter((one) => one !== number) : [...before, number];
    form.elements.pick_chosen.value = now.join(' ');
    row = null;
    mark();
    ask('look', true);
  };

  const walk = (key) => {
    const el = seen || numbered(chosen()[0]) || (page() && page().body);
    if (!el) return;
    const marked = (one) => one && one.matches('[data-ll]') ? one : null;
    let next = null;
    if (key === 'ArrowUp') next = el.localName === 'body' ? null : marked(el.parentElement);
    if (key === 'ArrowDown') next = el.querySelector('[data-ll]');
    for (let one = el; !next && (key === 'ArrowRight' || key === 'ArrowLeft'); ) {
      one = key === 'ArrowRight' ? one.nextElementSibling : one.previousElementSibling;
      if (!one || el.localName === 'body') break;
      next = marked(one);
    }
    look(next || el, true);
  };

  // --- the server -----------------------------------------------------------------------------------------------------
  const swap = (text) => {
    const answer = new DOMParser().parseFromString(text, 'text/html');
    const parts = [...answer.querySelectorAll('[data-new-part]')];
    if (!parts.length) return false;
    const active = document.activeElement, kept = card.contains(active) && { id: active.id, name: active.name, value: active.value };
    parts.forEach((part) => { card.querySelector(`[data-pick-part=${part.dataset.newPart}]`).innerHTML = part.innerHTML; });
    const address = answer.querySelector('[data-new-frame]').dataset.newFrame;
    body.hidden = !address;
    if (address && address !== frame.getAttribute('src')) { seen = null; crumbs.replaceChildren(); frame.src = address; }
    const draft = answer.querySelector('[data-new-text]').value;
    if (form.elements.text.value !== draft) {
      form.elements.text.value = draft;
      form.elements.text.dispatchEvent(new Event('input', { bubbles: true }));
    }
    if (kept && !card.contains(active)) {
      const same = (kept.id && document.getElementById(kept.id)) || [...form.elements].find((one) => kept.name && one.name === kept.name && one.value === kept.value);
      if (same) same.focus({ preventScroll: true });
    }
    mark();
    return true;
  };

  const ask = async (verb, isFresh) => {
    const mine = ++turn, data = new FormData(form);
    data.set('_pick', verb);
    if (isFresh) { data.delete('pick_what'); data.delete('pick_way'); }
    card.setAttribute('aria-busy', 'true');
    const answer = await fetch(card.dataset.pick, { method: 'POST', body: data, headers: { 'X-Requested-With': 'fetch' } }).catch(() => null);
    const text = answer && answer.ok && !answer.redirected ? await answer.text() : '';
    if (mine !== turn) return true;
    card.removeAttribute('aria-busy');
    if (!text || !swap(text)) { live.textContent = card.dataset.sayLost; return false; }
    const said = card.querySelector('[data-pick-part=now] p');
    if (verb === 'look' || verb === 'example') live.textContent = said ? said.textContent.trim() : '';
    return true;
  };

  const press = async (button) => {
    if (!(await ask(button.value, false))) return;
    const next = card.querySelector('[data-next]');
    if (/^(aim|field|type:each)/.test(button.value) && form.elements.pick_aim.value) {
      row = null;
      glass.focus({ preventScroll: true });
      view.scrollIntoView({ block: 'nearest' });
    } else if (next) next.focus();
    else if (document.activeElement === document.body) card.querySelector('[data-pick-part=top] button').focus({ preventScroll: true });
  };

  // --- what people do -------------------------------------------------------------------------------------------------
  glass.addEventListener('mousemove', (event) => { const el = at(event); if (el !== seen) look(el, false); });
  glass.addEventListener('mouseleave', () => { if (document.activeElement !== glass) look(null, false); });
  glass.addEventListener('click', (event) => { glass.focus({ preventScroll: true }); choose(at(event), event.shiftKey || event.ctrlKey || event.metaKey); });
  glass.addEventListener('keydown', (event) => {
    if (event.key.startsWith('Arrow')) walk(event.key);
    else if (event.key === 'Enter' || event.key === ' ') choose(seen || numbered(chosen()[0]), event.shiftKey);
    else if (event.key === 'Escape') { form.elements.pick_chosen.value = ''; look(null, false); crumbs.replaceChildren(); mark(); }
    else return;
    event.preventDefault();
  });
  crumbs.addEventListener('click', (event) => { const button = event.target.closest('button'); if (button) choose(numbered(button.dataset.number), event.shiftKey); });

  ['mouseover', 'focusin'].forEach((kind) => card.addEventListener(kind, (event) => {
    const over = event.target.closest('tr[data-matched]');
    if (over && over !== row) { row = over; mark(); }
  }));
  card.addEventListener('change', (event) => { if (['pick_what', 'pick_way', 'pick_many'].includes(event.target.name)) ask('look', event.target.name === 'pick_what' && !event.target.checked); });
  card.addEventListener('keydown', (event) => {
    const button = event.key === 'Enter' && event.target.dataset.enter && document.getElementById(event.target.dataset.enter);
    if (button) { event.preventDefault(); form.requestSubmit(button); }
  });
  form.addEventListener('submit', (event) => {
    const button = event.submitter;
    if (!button || button.name !== '_pick' || 'whole' in button.dataset) return;
    event.preventDefault();
    press(button);
  });

  // Another page beside: the frame shows it, too.
  const beside = document.querySelector('[data-preview]'), shown = () => beside.querySelector('[data-state]').dataset.sample;
  let known = beside && shown();
  if (beside) beside.addEventListener('shown', () => {
    if (shown() === known) return;
    known = shown();
    form.elements.pick_chosen.value = '';
    ask('refresh', true);
  });

  const ready = () => { fit(); mark(); };
  frame.addEventListener('load', ready);
  window.addEventListener('resize', fit);
  if (page() && page().readyState === 'complete') ready();
}
