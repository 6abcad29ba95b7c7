/* Everything works without this file. It closes menus, moves the focus to error summaries and
   shows what an htmx request was answered with when that was an error. htmx stands before it in
   the file that is sent (portal/web/static_files.py). */
(() => {
  "use strict";
  const openMenus = () => document.querySelectorAll("details[data-menu][open]");

  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("focusin", (event) => {
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of openMenus()) {
      const inside = menu.contains(document.activeElement);
      menu.open = false;
      if (inside) menu.querySelector("summary").focus();
    }
  });

  const focusSummary = (root) => {
    const summary = root.querySelector("[data-focus]");
    if (summary) summary.focus();
  };
  document.addEventListener("DOMContentLoaded", () => focusSummary(document));
  document.addEventListener("htmx:afterSettle", (event) => focusSummary(event.target));

  /* Who stood in what was replaced, and stands nowhere now, goes on from the top of the content. */
  let wasInside = false;
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    wasInside = detail.target.contains(document.activeElement);
  });
  document.addEventListener("htmx:afterSettle", () => {
    const main = document.getElementById("main");
    if (wasInside && main && document.activeElement === document.body) main.focus({ preventScroll: true });
    wasInside = false;
  });

  /* A page that asks again by itself stays as it is, focus and all, while the answer is the same:
     nothing is read out every three seconds. */
  const words = (text) => text.replace(/\s+/g, " ").trim();
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const asked = detail.requestConfig.elt.getAttribute("hx-trigger") || "";
    if (!asked.startsWith("every ")) return;
    const answer = new DOMParser().parseFromString(detail.serverResponse, "text/html");
    if (words(answer.body.textContent) === words(detail.target.textContent)) detail.shouldSwap = false;
  });

  /* What a person's own request will replace is busy until then; what looks by itself stays quiet. */
  const busy = (isBusy) => ({ detail: { target, requestConfig } }) => {
    if (requestConfig.triggeringEvent) target.ariaBusy = isBusy ? "true" : null;
  };
  document.addEventListener("htmx:beforeRequest", busy(true));
  document.addEventListener("htmx:afterRequest", busy(false));

  /* Our error answers say where they belong; anything else leaves the page as it is. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (xhr.status >= 400 && xhr.status !== 422) {
      event.detail.shouldSwap = xhr.getResponseHeader("HX-Retarget") !== null;
    }
  });
  const notAnswered = (event) => {
    const { xhr } = event.detail;
    if (xhr && xhr.status && xhr.getResponseHeader("HX-Retarget") !== null) return;
    const notices = document.getElementById("notices");
    const words = document.getElementById("no-answer");
    if (notices && words) notices.replaceChildren(words.content.cloneNode(true));
  };
  document.addEventListener("htmx:responseError", notAnswered);
  document.addEventListener("htmx:sendError", notAnswered);
  document.addEventListener("htmx:timeout", notAnswered);

  /* A second press while the first is under way does nothing (the server would not mind either). */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, 8000);
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  /* The browser's Back brings back what was chosen, but the price of what was chosen at first. */
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) return;
    const isOther = (field) => field.options
      ? [...field.options].some((option) => option.defaultSelected && !option.selected)
      : field.checked && !field.defaultChecked;
    for (const field of document.querySelectorAll("[hx-post][hx-trigger=change]")) {
      if (isOther(field)) field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
})();
