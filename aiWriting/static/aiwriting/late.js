// Loads the scripts of the admin in their order, once the page is read and its styles are there: on a slow line the
// first text would share the line with them. Those that wait for DOMContentLoaded get it after the last of them.
{
    let isOver = false;
    const missed = [];
    document.addEventListener("DOMContentLoaded", () => { isOver = true; });
    for (const target of [document, window]) {
        const add = target.addEventListener;
        target.addEventListener = function (type, listener, ...options) {
            if (type === "DOMContentLoaded" && isOver) missed.push(() => listener.call(target, new Event(type)));
            else add.call(target, type, listener, ...options);
        };
    }
    let last = null;
    for (const plain of document.querySelectorAll("script[data-late]")) {
        last = document.createElement("script");
        for (const { name, value } of plain.attributes) {
            if (name !== "type" && name !== "data-late") last.setAttribute(name, value);
        }
        last.async = false;
        plain.replaceWith(last);
    }
    for (const end of ["load", "error"]) last?.addEventListener(end, () => missed.forEach((call) => call()));
}
