// The parts of a page that change while one looks at it: fetched anew with the page, and put in the place of the old.

const listeners = [];
let running = null;
let again = false;

/** Call `listener(element)` for each part that was put in. */
export const onRefresh = (listener) => listeners.push(listener);

/** Say something to those who cannot see it. */
export const announce = (text) => {
    const announcer = document.querySelector("[data-announcer]");
    if (announcer && announcer.textContent !== text) announcer.textContent = text;
};

/**
 * Bring the parts up to date. Asked for while it is under way, it runs once more.
 *
 * Resolves to "fresh"; "away" where nobody answers; "gone" where the page is not there any more or not for us.
 */
export const refresh = () => {
    if (running) {
        again = true;
        return running;
    }
    running = (async () => {
        let outcome;
        do {
            again = false;
            outcome = await once();
        } while (again && outcome === "fresh");
        running = null;
        return outcome;
    })();
    return running;
};

const once = async () => {
    // A form that was refused shows the page at the address that it was sent to.
    const page = document.querySelector("main").dataset.page;
    let response;
    try {
        response = await fetch(page + location.search, { cache: "no-store", credentials: "same-origin" });
    } catch {
        return "away";
    }
    if (response.status >= 500) return "away";
    // Signed out, one is led to another page; deleted, there is none.
    if (!response.ok || new URL(response.url).pathname !== page) return "gone";
    let fresh;
    try {
        fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    } catch {
        return "away";
    }
    for (const old of document.querySelectorAll("[data-region]")) {
        const now = fresh.querySelector(`[data-region="${old.dataset.region}"]`);
        if (!now) continue;
        if (old.dataset.state === now.dataset.state) move(old, now);
        else replace(old, now);
    }
    return "fresh";
};

/** Only the bars moved: nothing is taken from under anybody's fingers. */
const move = (old, fresh) => {
    for (const bar of old.querySelectorAll("[data-task]")) {
        const now = fresh.querySelector(`[data-task="${bar.dataset.task}"]`);
        if (!now) continue;
        show(bar, {
            progress: Number(now.querySelector("progress").value),
            text: now.querySelector("[data-text]").textContent,
        });
    }
};

const replace = (old, fresh) => {
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    old.replaceWith(document.adoptNode(fresh));
    if (focused) {
        const twin = focused.id && document.getElementById(focused.id);
        if (!twin) fresh.tabIndex = -1;
        (twin || fresh).focus({ preventScroll: true });
    }
    for (const listener of listeners) listener(fresh);
};

/** Draw how far a task is. */
export const show = (element, { progress, text }) => {
    const bar = element.querySelector("progress");
    if (bar.value !== progress) bar.value = progress;
    const percent = element.querySelector("[data-percent]");
    if (percent.textContent !== String(progress)) percent.textContent = String(progress);
    const line = element.querySelector("[data-text]");
    if (text && line.textContent !== text) line.textContent = text;
};
