/* The spider's form without a jump: rows are added, moved and removed in place, and a kind that is chosen shows the
   inputs that it needs. Without this script the same buttons load the page. */
'use strict';
{
  const form = document.getElementById('spider_form'), part = document.getElementById('w-part');
  const actions = ['_add', '_remove', '_up', '_down'];
  const kinds = /-(type|source_how)$/;
  let turn = 0, dirty = false, hasFailed = false;

  const refresh = async (name, value, focus) => {
    const mine = ++turn, data = new FormData(form);
    data.append(name, value);
    const answer = await fetch(form.action, { method: 'POST', body: data, headers: { 'X-Requested-With': 'fetch' } }).catch(() => null);
    if (mine !== turn) return true;
    if (!answer || !answer.ok || answer.redirected) return false;
    const text = await answer.text();
    if (mine !== turn) return true;
    const open = [...part.querySelectorAll('details[data-section][open]')].map((d) => d.dataset.section);
    part.innerHTML = text;
    open.forEach((section) => { const d = part.querySelector(`details[data-section=${section}]`); if (d) d.open = true; });
    const target = (focus && document.getElementById(focus)) || part.querySelector('[autofocus]');
    if (target) { target.focus({ preventScroll: !!focus }); if (!focus) target.scrollIntoView({ block: 'nearest' }); }
    form.dispatchEvent(new Event('input', { bubbles: true }));
    return true;
  };

  if (part && part.dataset.tab === 'form') {
    form.addEventListener('submit', async (event) => {
      const button = event.submitter;
      if (!button || !actions.includes(button.name) || hasFailed) return;
      event.preventDefault();
      if (await refresh(button.name, button.value)) return;
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
  form.addEventListener('input', (event) => { if (event.isTrusted) dirty = true; });
  form.addEventListener('submit', () => { dirty = false; });
  window.addEventListener('beforeunload', (event) => { if (dirty) event.preventDefault(); });
}
