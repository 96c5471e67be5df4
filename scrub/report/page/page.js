'use strict';
// Tables can be sorted by a click on a heading and filtered. Without this
// script they are whole, in the order in which they were written.
for (const table of document.querySelectorAll('table.data')) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return '';
    return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
  };
  const compare = (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a - b;
    return String(a).localeCompare(String(b), 'en', {numeric: true});
  };
  headings.forEach((heading, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener('click', () => {
      const down = heading.getAttribute('aria-sort') === 'ascending';
      for (const other of headings) other.removeAttribute('aria-sort');
      heading.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      rows.sort((a, b) => (down ? -1 : 1) * compare(key(a, column), key(b, column)));
      body.append(...rows);
    });
  });
  const named = table.dataset.filter;
  if (!named || rows.length < 2) continue;
  const tools = document.createElement('div');
  tools.className = 'tools';
  const input = document.createElement('input');
  input.type = 'search';
  input.placeholder = 'Filter ' + named;
  input.setAttribute('aria-label', 'Filter ' + named);
  const count = document.createElement('output');
  const texts = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));
  const choices = [];
  tools.append(input);
  headings.forEach((heading, column) => {
    if (heading.dataset.choose === undefined) return;
    const values = [...new Set(rows.map(row => row.cells[column].textContent))].filter(v => v).sort();
    if (values.length < 2) return;
    const select = document.createElement('select');
    const name = heading.textContent.toLowerCase();
    select.setAttribute('aria-label', 'Only the ' + name);
    select.append(new Option('every ' + name, ''), ...values.map(v => new Option(v, v)));
    choices.push({select, column});
    tools.append(select);
  });
  const apply = () => {
    const wanted = input.value.toLowerCase().split(/\s+/).filter(w => w);
    let shown = 0;
    for (const row of rows) {
      const fits = wanted.every(w => texts.get(row).includes(w)) &&
        choices.every(c => !c.select.value || row.cells[c.column].textContent === c.select.value);
      row.hidden = !fits;
      if (fits) shown++;
    }
    count.textContent = shown === rows.length ? rows.length + ' rows' : shown + ' of ' + rows.length + ' rows';
  };
  input.addEventListener('input', apply);
  for (const c of choices) c.select.addEventListener('change', apply);
  tools.append(count);
  (table.closest('.wide') || table).before(tools);
  apply();
}
