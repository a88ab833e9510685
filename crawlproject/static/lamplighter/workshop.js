/* The spider's form without a jump: rows are added, moved and removed in place, and a kind that is chosen shows the
   inputs that it needs. Without this script the same buttons load the page. */
'use strict';
{
  const form = document.getElementById('spider_form'), part = document.getElementById('w-part');
  const actions = ['_add', '_remove', '_up', '_down'];
  const kinds = /-(type|source_how|each_how)$/;
  let edits = 0, busy = 0, chain = Promise.resolve(), dirty = 'unsaved' in form.dataset, hasFailed = false;

  const ask = async (name, value, focus) => {
    const before = edits, data = new FormData(form);
    data.append(name, value);
    const answer = await fetch(form.action, { method: 'POST', body: data, headers: { 'X-Requested-With': 'fetch' } }).catch(() => null);
    if (!answer || !answer.ok || answer.redirected) return false;
    const text = await answer.text();
    if (edits !== before) return ask(name, value, focus); // what was typed meanwhile is not in the answer
    const open = [...part.querySelectorAll('details[data-section][open]')].map((d) => d.dataset.section);
    part.innerHTML = text;
    open.forEach((section) => { const d = part.querySelector(`details[data-section=${section}]`); if (d) d.open = true; });
    const target = (focus && document.getElementById(focus)) || part.querySelector('[autofocus]');
    if (target) { target.focus({ preventScroll: !!focus }); if (!focus) target.scrollIntoView({ block: 'nearest' }); }
    if (name !== '_tab') dirty = true;
    form.dispatchEvent(new Event('input', { bubbles: true }));
    return true;
  };
  // One after the other: each is asked with what the one before has made of the form.
  const refresh = (name, value, focus) => {
    busy += 1;
    chain = chain.then(() => ask(name, value, focus)).catch(() => false).finally(() => { busy -= 1; });
    return chain;
  };

  if (part && part.dataset.tab === 'form') {
    form.addEventListener('submit', async (event) => {
      const button = event.submitter, checks = button && button.name === '_tab' && button.value === 'form';
      if (!button || !(actions.includes(button.name) || checks) || hasFailed) return;
      event.preventDefault();
      if (busy && button.name !== '_add') return; // a second click means the row that was there
      if (await refresh(button.name, button.value, checks && document.activeElement.id)) return;
      hasFailed = true; // the page itself says why
      form.requestSubmit(button);
    });
    part.addEventListener('change', (event) => {
      const select = event.target;
      if (select.matches('select') && kinds.test(select.name)) refresh('_tab', 'form', select.id);
    });
  }

  // A folded section that a link or an error points into opens.
  const unfold = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let d = target.closest('details'); d; d = d.parentElement.closest('details')) d.open = true;
    target.focus();
  };
  window.addEventListener('hashchange', unfold);
  form.addEventListener('click', (event) => { const a = event.target.closest('a[href^="#"]'); if (a && a.hash === location.hash) unfold(); });

  // What is not saved is not left by mistake.
  form.addEventListener('input', (event) => {
    if (event.isTrusted) edits += 1;
    if (event.target.name === 'text' || (event.isTrusted && !/^(url|pick_)/.test(event.target.name))) dirty = true;
  });
  // On the window: by then the form's own listeners have said whether it is sent.
  window.addEventListener('submit', (event) => { if (event.target === form && !event.defaultPrevented) dirty = false; });
  window.addEventListener('beforeunload', (event) => { if (dirty) event.preventDefault(); });
}
