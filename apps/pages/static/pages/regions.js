// Regions: the parts of a page that change while it is open. They are fetched with the page, and replaced.

const listeners = [];
let running = null;
let again = false;

/** Call `listener(element)` for each new region. */
export const onRefresh = (listener) => listeners.push(listener);

/** Announce a text to a screen reader. */
export const announce = (text) => {
    const announcer = document.querySelector("[data-announcer]");
    if (announcer && announcer.textContent !== text) announcer.textContent = text;
};

/**
 * Bring the regions up to date. A call while this is under way makes it run once more.
 *
 * Resolves to "fresh"; "away" if the server does not answer; "gone" if the page is gone or the writer is signed out.
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
    // A page with a refused form has the address of the form, not its own.
    const page = document.querySelector("main").dataset.page;
    let response;
    try {
        response = await fetch(page + location.search, { cache: "no-store", credentials: "same-origin" });
    } catch {
        return "away";
    }
    if (response.status >= 500) return "away";
    // A writer who is signed out is led to another page; a deleted page is a 404.
    if (!response.ok || new URL(response.url).pathname !== page) return "gone";
    let fresh;
    try {
        fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    } catch {
        return "away";
    }
    adopt(fresh);
    return "fresh";
};

/** Bring the regions up to date with those of a page that was fetched. */
export const adopt = (fresh) => {
    for (const old of document.querySelectorAll("[data-region]")) {
        const now = fresh.querySelector(`[data-region="${old.dataset.region}"]`);
        if (!now) continue;
        if (old.dataset.state === now.dataset.state) move(old, now);
        else replace(old, now);
    }
};

/** Move the bars and leave all else in place, so that nothing vanishes under the writer's fingers. */
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

/** Show the progress of a task. */
export const show = (element, { progress, text }) => {
    const bar = element.querySelector("progress");
    if (bar.value !== progress) bar.value = progress;
    const percent = element.querySelector("[data-percent]");
    if (percent.textContent !== String(progress)) percent.textContent = String(progress);
    const line = element.querySelector("[data-text]");
    if (text && line.textContent !== text) line.textContent = text;
};
