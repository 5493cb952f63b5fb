// Without it htmx adds a style sheet to the page, which the Content-Security-Policy refuses.
htmx.config.includeIndicatorStyles = false;

document.getElementById("content")?.setAttribute("role", "main");

// Names that the widgets of Django's admin lack: of a list to choose from, and of a symbol that explains a field.
const nameWidgets = () => {
    for (const select of document.querySelectorAll("select.select2-hidden-accessible")) {
        const name = select.labels[0]?.textContent.trim() ?? select.name;
        for (const part of select.nextElementSibling.querySelectorAll("[role=combobox], [role=textbox]")) {
            part.removeAttribute("aria-labelledby");
            part.setAttribute("aria-label", name);
        }
    }
    // Symbols are ligatures: "block" beside "Cancel" would be read aloud.
    for (const symbol of document.querySelectorAll(".material-symbols-outlined:not([role])")) {
        const owner = symbol.parentElement;
        if (owner.title || owner.textContent.trim() !== symbol.textContent.trim()) symbol.ariaHidden = "true";
    }
    for (const symbol of document.querySelectorAll(".help-tooltip")) symbol.setAttribute("role", "img");
};
// The widgets are made at this event too.
window.addEventListener("load", () => setTimeout(nameWidgets));

// The theme's switches are no buttons, so that the keyboard would not reach its filters and the menu of the user. What
// one opens gets the focus. Escape closes it, and the focus goes back.
{
    const NATIVE = "button, a[href], input, select, textarea, summary, #changelist-filter-close";
    const NAMES = { dock_to_right: "Side bar", more_vert: "More", close: "Close" };
    let opener = null;
    const INSIDE = ":is(a[href], button, input:not([type=hidden]), select, [tabindex='0']):not([tabindex='-1'])";
    const focusIn = (part) => {
        if (part?.checkVisibility()) part.querySelector(INSIDE)?.focus();
    };
    for (const one of document.querySelectorAll("[x-on\\:click]")) {
        if (one.matches(NATIVE) || one.querySelector(NATIVE)) continue;
        one.tabIndex = 0;
        one.setAttribute("role", "button");
        const name = NAMES[one.textContent.trim()];
        if (name) one.setAttribute("aria-label", name);
        one.addEventListener("keydown", (event) => {
            if (event.key !== "Enter" && event.key !== " ") return;
            event.preventDefault();
            one.click();
            opener = one;
            setTimeout(() => {
                focusIn(document.getElementById("changelist-filter"));
                focusIn(one.parentElement.querySelector(":scope > nav"));
            }, 250);
        });
    }
    window.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || !opener) return;
        document.body.click();
        opener.focus();
        opener = null;
    });
}
