// Times in the reader's own zone; the server writes UTC, which stays in the title and is what forms send.
const pad = (number) => String(number).padStart(2, "0");
const clock = (date) => `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
const day = (date) => `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;

function localize(root) {
  const today = day(new Date());
  for (const element of root.querySelectorAll("time[datetime]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const short = element.closest("table") !== null;
    element.textContent = short && day(date) === today ? clock(date) : `${day(date)} ${clock(date)}`;
  }
  for (const zone of root.querySelectorAll(".zone")) zone.textContent = "(local)";
}

function localizeForm(form) {
  const fields = [...form.querySelectorAll("input[type=datetime-local]")];
  for (const field of fields) {
    if (!field.value) continue;
    const date = new Date(`${field.value}Z`);
    field.value = `${day(date)}T${clock(date)}`;
  }
  form.addEventListener("formdata", (event) => {
    for (const field of fields) {
      if (field.value) event.formData.set(field.name, new Date(field.value).toISOString());
    }
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
}

localize(document);
document.addEventListener("content-added", (event) => localize(event.target));
for (const form of document.querySelectorAll("form.filters")) localizeForm(form);
