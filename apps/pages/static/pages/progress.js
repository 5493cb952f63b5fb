// Bars that move. The first few follow a stream of events. The others, and those whose stream does not come through,
// move when the page is fetched again every few seconds.

import { announce, refresh, show } from "./regions.js";

// A browser has six connections to a site, for all of its tabs.
const STREAMS = 2;
// A browser reconnects a stream by itself, most often before the writer needs to know.
const RECONNECT_MS = 4_000;
const FIRST_EVENT_MS = 5_000;
const FIRST_POLL_MS = 500;
const POLL_MS = 2_000;
const SLOWEST_POLL_MS = 15_000;
const ANNOUNCE_MS = 10_000;
const WHY_MS = 5_000;

const followed = new Map();
let pollTimer = 0;
let pollMs = FIRST_POLL_MS;
let whyTimer = 0;

const AWAY = "No connection at the moment; trying again.";
const GONE = "This page has changed, or you are no longer signed in. Reload it.";

/** Follow the tasks whose bars are in `root`, and forget those whose bars are gone. */
export const follow = (root) => {
    for (const [element, stream] of followed) {
        if (element.isConnected) continue;
        stream?.close();
        followed.delete(element);
    }
    for (const element of root.querySelectorAll("[data-task]")) {
        if (!followed.has(element)) followed.set(element, null);
    }
    distribute();
    askWhy();
};

/** Ask from time to time why the first task that waits does so. No event tells it: the reason may be a worker's death. */
const askWhy = () => {
    const element = [...followed.keys()].find((one) => one.isConnected && one.dataset.pending && one.dataset.why);
    if (whyTimer || document.hidden || !element) return;
    whyTimer = setTimeout(async () => {
        whyTimer = 0;
        try {
            const address = `/api/tasks/${encodeURIComponent(element.dataset.task)}/`;
            const response = await fetch(address, { headers: { Accept: "application/json" }, cache: "no-store" });
            const task = response.ok ? await response.json() : {};
            if (task.why && element.isConnected) {
                element.dataset.why = task.why;
                draw(element, task);
            }
        } catch {
            // The connection has a sentence of its own.
        }
        askWhy();
    }, WHY_MS);
};

const distribute = () => {
    if (document.hidden) return;
    for (const [element, stream] of followed) {
        const open = [...followed.values()].filter(Boolean).length;
        if (!stream && open < STREAMS && !element.dataset.streamless) listen(element);
    }
    poll();
};

const listen = (element) => {
    const stream = new EventSource(`/api/tasks/${encodeURIComponent(element.dataset.task)}/events/`);
    followed.set(element, stream);
    let lostTimer = 0;
    const reset = () => {
        clearTimeout(firstEventTimer);
        clearTimeout(lostTimer);
        lostTimer = 0;
        showConnection(element, "");
    };
    const pollInstead = () => {
        reset();
        stream.close();
        element.dataset.streamless = "yes";
        if (followed.get(element) === stream) followed.set(element, null);
        distribute();
    };
    // A proxy that buffers events keeps the first one back, too.
    const firstEventTimer = setTimeout(pollInstead, FIRST_EVENT_MS);
    stream.addEventListener("progress", (event) => {
        reset();
        const task = JSON.parse(event.data);
        if (task.status === "pending" || task.status === "processing") draw(element, task);
        else if (task.status === "completed") show(element, { progress: 100, text: task.progress_text });
    });
    stream.addEventListener("end", () => {
        reset();
        stream.close();
        if (followed.get(element) === stream) followed.set(element, null);
        element.dataset.streamless = "ended";
        finish();
    });
    stream.addEventListener("error", () => {
        if (stream.readyState === EventSource.CLOSED) pollInstead();
        else lostTimer ||= setTimeout(() => showConnection(element, AWAY), RECONNECT_MS);
    });
};

const draw = (element, task) => {
    element.dataset.pending = task.status === "pending" ? "yes" : "";
    let text = task.cancel_requested_at ? "Stopping" : task.progress_text;
    if (!text) {
        if (task.status === "pending" && element.dataset.why) text = element.dataset.why;
        else if (task.retries) text = "It did not work; it will be tried again soon";
        else text = task.status === "pending" ? "Waiting for its turn" : "Beginning";
    }
    show(element, { progress: task.progress, text });
    const now = Date.now();
    if (now - Number(element.dataset.announced || 0) > ANNOUNCE_MS) {
        element.dataset.announced = now;
        announce(`${text}, ${task.progress} %`);
    }
};

const showConnection = (element, sentence) => {
    const line = element.querySelector("[data-connection]");
    if (line.textContent === sentence) return;
    line.textContent = sentence;
    line.hidden = !sentence;
};

const finish = async () => {
    const outcome = await refresh();
    if (outcome === "fresh") announce(document.querySelector(".state.failed") ? "This did not work." : "Done.");
    react(outcome);
};

/** Fetch the page again from time to time, as long as it has bars without a stream. */
const poll = () => {
    const unfollowed = () => [...followed].some(([element, stream]) => element.isConnected && !stream);
    if (pollTimer || document.hidden || !unfollowed()) return;
    pollTimer = setTimeout(async () => {
        pollTimer = 0;
        if (document.hidden || !unfollowed()) return;
        react(await refresh());
    }, pollMs);
};

const react = (outcome) => {
    const sentence = { away: AWAY, gone: GONE, fresh: "" }[outcome];
    for (const [element, stream] of followed) if (!stream && element.isConnected) showConnection(element, sentence);
    if (outcome === "gone") {
        for (const stream of followed.values()) stream?.close();
        followed.clear();
        return;
    }
    pollMs = outcome === "away" ? Math.min(pollMs * 1.5, SLOWEST_POLL_MS) : POLL_MS;
    poll();
};

// A page in the background holds no connection.
document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
        for (const [element, stream] of followed) {
            stream?.close();
            followed.set(element, null);
        }
        clearTimeout(pollTimer);
        clearTimeout(whyTimer);
        pollTimer = whyTimer = 0;
    } else if (followed.size) {
        refresh().then(react).then(distribute).then(askWhy);
    }
});
