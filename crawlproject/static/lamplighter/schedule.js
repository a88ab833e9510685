/* A schedule's form: what a preset says stands in the cron line, a line that a preset can say chooses it, and a free
   moment is taken by one click. Without this script each kind has its own fields. */
'use strict';
{
  const form = document.querySelector('.ll-when-form').closest('form');
  const field = (name) => form.querySelector(`#id_${name}`);
  const kind = () => form.querySelector('[name=kind]:checked').value;
  const choose = (name) => { form.querySelector(`[name=kind][value=${name}]`).checked = true; };
  const days = () => [...form.querySelectorAll('[name=weekdays]:checked')].map((one) => Number(one.value)).sort();

  /* “1-5”, “0,6”: as the server writes it. */
  const written = (numbers) => {
    if (numbers.length === 7) return '*';
    const rows = [];
    numbers.forEach((n) => { const last = rows[rows.length - 1]; if (last && last[last.length - 1] === n - 1) last.push(n); else rows.push([n]); });
    return rows.map((row) => (row.length > 2 ? `${row[0]}-${row[row.length - 1]}` : row.join(','))).join(',');
  };
  const read = (text) => {
    const found = [];
    for (const part of text.split(',')) {
      const span = /^([0-6])(?:-([0-6]))?$/.exec(part);
      if (!span) return null;
      for (let n = Number(span[1]); n <= Number(span[2] || span[1]); n += 1) found.push(n);
    }
    return found;
  };
  const toLine = () => {
    const [hour, minute] = field('at').value.split(':').map(Number);
    const known = kind();
    if (known === 'hourly' && field('minute').value) field('cron').value = `${field('minute').value} * * * *`;
    if (known === 'daily' && field('at').value) field('cron').value = `${minute} ${hour} * * *`;
    if (known === 'weekly' && field('at').value && days().length) field('cron').value = `${minute} ${hour} * * ${written(days())}`;
  };
  const fromLine = () => {
    const line = field('cron').value.trim();
    const hourly = /^([0-5]?\d) \* \* \* \*$/.exec(line);
    const daily = /^([0-5]?\d) (1?\d|2[0-3]) \* \* ([0-6,-]+|\*)$/.exec(line);
    const chosen = daily && daily[3] !== '*' ? read(daily[3]) : [];
    if (hourly) { choose('hourly'); field('minute').value = hourly[1]; return; }
    if (!daily || !chosen) { choose('cron'); return; }
    field('at').value = `${daily[2].padStart(2, '0')}:${daily[1].padStart(2, '0')}`;
    choose(chosen.length ? 'weekly' : 'daily');
    if (chosen.length) form.querySelectorAll('[name=weekdays]').forEach((one) => { one.checked = chosen.includes(Number(one.value)); });
  };

  /* What the handler is told: its own fields, or JSON, which says the same while the fields are shown. */
  const told = () => {
    const handler = field('handler').value, chosen = form.querySelector('[name=work_way]:checked');
    const own = [...form.querySelectorAll('[data-work]')].find((group) => group.dataset.work === handler);
    const byFields = own && chosen && chosen.value === 'fields';
    form.querySelectorAll('[data-work]').forEach((group) => { group.hidden = !byFields || group !== own; });
    form.querySelectorAll('[data-with]').forEach((input) => { input.closest('.ll-f').hidden = !input.dataset.values.split(' ').includes(form.elements[input.dataset.with].value); });
    form.querySelector('.field-work_way').hidden = !own;
    form.querySelector('.field-job_data').hidden = byFields;
    if (!byFields) return;
    const data = {};
    own.querySelectorAll('[data-key]').forEach((input) => {
      if (input.closest('.ll-f').hidden) return;
      const value = 'list' in input.dataset ? input.value.split('\n').map((line) => line.trim()).filter(Boolean) : input.value.trim();
      if (value.length) data[input.dataset.key] = value;
    });
    field('job_data').value = JSON.stringify(data);
  };

  document.querySelector('.ll-when-form').classList.add('is-linked');
  form.addEventListener('input', (e) => {
    if (e.target === field('cron')) fromLine();
    else if (['kind', 'minute', 'at', 'weekdays'].includes(e.target.name)) toLine();
  }, true);
  form.addEventListener('click', (e) => {
    const button = e.target.closest('[name=_take]');
    if (!button) return;
    e.preventDefault();
    field('cron').value = button.dataset.line;
    fromLine();
    field('cron').dispatchEvent(new Event('input', { bubbles: true }));
    field('cron').focus({ preventScroll: true }); // the button goes with the crowd
  });
  form.addEventListener('input', told, true);
  told();
  toLine();
}
