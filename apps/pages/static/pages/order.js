// The order of documents: buttons that move one by a step, and handles by which it is dragged.

import { adopt, announce } from "./regions.js";

// Near an end of the window, a drag scrolls it.
const EDGE = 60;
const SCROLL = 12;

const FAILED = "It was not moved. Reload the page, then move it again.";

export const arrange = (root) => {
    const form = root.querySelector("[data-order]");
    if (!form) return;
    let sending = Promise.resolve();

    form.addEventListener("submit", (event) => {
        const { submitter } = event;
        if (submitter?.name !== "before") return;
        event.preventDefault();
        const item = submitter.closest("[data-key]");
        const body = new FormData(form, submitter);
        sending = sending.then(() => send(item.dataset, body, submitter.id));
    });

    /** Send a move. The page in the answer shows the order as it is then, whoever else moves something. */
    const send = async ({ key, move }, body, focused) => {
        let response;
        try {
            response = await fetch(move, { method: "POST", body, credentials: "same-origin" });
        } catch {
            response = null;
        }
        if (!response?.ok || new URL(response.url).pathname !== document.querySelector("main").dataset.page) {
            say(FAILED);
            return;
        }
        const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
        document.querySelector(".messages").replaceWith(document.adoptNode(fresh.querySelector(".messages")));
        // What was dragged is shown where it is now, also if it was not moved.
        form.querySelector("[data-region]").dataset.state = "";
        adopt(fresh);
        const item = document.getElementById(`document-${key}`);
        if (!item) return;
        const button = document.getElementById(focused);
        if (button?.disabled) item.querySelector("button:not([disabled])")?.focus();
        else button?.focus({ preventScroll: true });
        item.scrollIntoView({ block: "nearest" });
        const { total } = item.closest("[data-total]").dataset;
        announce(`${item.querySelector(".name").textContent}: ${item.querySelector(".place").textContent} of ${total}`);
    };

    form.addEventListener("pointerdown", (event) => {
        const handle = event.target.closest("[data-handle]");
        if (!handle || event.button !== 0) return;
        event.preventDefault();
        drag(handle, event.pointerId);
    });

    const drag = (handle, pointer) => {
        const item = handle.closest("[data-key]");
        const list = item.parentElement;
        const home = item.nextElementSibling;
        const listening = new AbortController();
        const { signal } = listening;
        handle.setPointerCapture(pointer);
        item.classList.add("dragged");

        const end = () => {
            listening.abort();
            item.classList.remove("dragged");
        };
        const cancel = () => {
            end();
            list.insertBefore(item, home);
        };
        handle.addEventListener("pointermove", ({ clientY }) => {
            if (clientY < EDGE) scrollBy(0, -SCROLL);
            if (clientY > innerHeight - EDGE) scrollBy(0, SCROLL);
            // The others make room. An item that left its place in the tree would lose the pointer.
            while (item.nextElementSibling && clientY > middle(item.nextElementSibling)) item.before(item.nextElementSibling);
            while (item.previousElementSibling && clientY < middle(item.previousElementSibling)) item.after(item.previousElementSibling);
        }, { signal });
        handle.addEventListener("pointerup", () => {
            end();
            if (item.nextElementSibling === home) return;
            const body = new FormData(form);
            const { following } = list.closest("[data-following]").dataset;
            body.append("before", item.nextElementSibling?.dataset.key ?? following);
            sending = sending.then(() => send(item.dataset, body, ""));
        }, { signal });
        handle.addEventListener("pointercancel", cancel, { signal });
        window.addEventListener("keydown", (event) => { if (event.key === "Escape") cancel(); }, { signal });
    };
};

const middle = (element) => {
    const { top, height } = element.getBoundingClientRect();
    return top + height / 2;
};

const say = (sentence) => {
    const message = document.createElement("p");
    message.className = "message error";
    message.textContent = sentence;
    document.querySelector(".messages").replaceChildren(message);
};
