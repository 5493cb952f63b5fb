// Bars that move. The first few are told of by the server as it happens; the others, and those whose stream does not
// come through, by looking again every few seconds.

import { announce, refresh, show } from "./regions.js";

// A browser has six connections to a site, for all of its tabs.
const STREAMS = 2;
// A stream that breaks off comes back by itself, most often before anybody need know.
const WORRY_MS = 4_000;
const FIRST_EVENT_MS = 5_000;
const FIRST_LOOK_MS = 500;
const LOOK_MS = 2_000;
const SLOWEST_LOOK_MS = 15_000;
const ANNOUNCE_MS = 10_000;

const followed = new Map();
let looking = 0;
let pause = FIRST_LOOK_MS;

const AWAY = "No connection at the moment; trying again.";
const GONE = "This page has changed, or you are no longer signed in. Reload it.";

/** Follow the tasks whose bars are in there, and forget those whose bars are gone. */
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
};

const distribute = () => {
    if (document.hidden) return;
    for (const [element, stream] of followed) {
        const open = [...followed.values()].filter(Boolean).length;
        if (!stream && open < STREAMS && !element.dataset.streamless) listen(element);
    }
    look();
};

const listen = (element) => {
    const stream = new EventSource(`/api/tasks/${encodeURIComponent(element.dataset.task)}/events/`);
    followed.set(element, stream);
    let worry = 0;
    const calm = () => {
        clearTimeout(patience);
        clearTimeout(worry);
        worry = 0;
        say(element, "");
    };
    const giveUp = () => {
        calm();
        stream.close();
        element.dataset.streamless = "yes";
        if (followed.get(element) === stream) followed.set(element, null);
        distribute();
    };
    // A proxy that keeps events back would keep the first one, too.
    const patience = setTimeout(giveUp, FIRST_EVENT_MS);
    stream.addEventListener("progress", (event) => {
        calm();
        const task = JSON.parse(event.data);
        if (task.status === "pending" || task.status === "processing") draw(element, task);
        else if (task.status === "completed") show(element, { progress: 100, text: task.progress_text });
    });
    stream.addEventListener("end", () => {
        calm();
        stream.close();
        if (followed.get(element) === stream) followed.set(element, null);
        element.dataset.streamless = "ended";
        finish();
    });
    stream.addEventListener("error", () => {
        if (stream.readyState === EventSource.CLOSED) giveUp();
        else worry ||= setTimeout(() => say(element, AWAY), WORRY_MS);
    });
};

const draw = (element, task) => {
    let text = task.progress_text;
    if (!text) {
        if (task.retries) text = "It did not work; it will be tried again soon";
        else text = task.status === "pending" ? "Waiting for its turn" : "Beginning";
    }
    show(element, { progress: task.progress, text });
    const now = Date.now();
    if (now - Number(element.dataset.told || 0) > ANNOUNCE_MS) {
        element.dataset.told = now;
        announce(`${text}, ${task.progress} %`);
    }
};

const say = (element, sentence) => {
    const line = element.querySelector("[data-connection]");
    if (line.textContent === sentence) return;
    line.textContent = sentence;
    line.hidden = !sentence;
};

const finish = async () => {
    const outcome = await refresh();
    if (outcome === "fresh") announce(document.querySelector(".state.failed") ? "This did not work." : "Done.");
    judge(outcome);
};

/** Look at the page again, from time to time, as long as there are bars that nobody tells us of. */
const look = () => {
    const untold = () => [...followed].some(([element, stream]) => element.isConnected && !stream);
    if (looking || document.hidden || !untold()) return;
    looking = setTimeout(async () => {
        looking = 0;
        if (document.hidden || !untold()) return;
        judge(await refresh());
    }, pause);
};

const judge = (outcome) => {
    const sentence = { away: AWAY, gone: GONE, fresh: "" }[outcome];
    for (const [element, stream] of followed) if (!stream && element.isConnected) say(element, sentence);
    if (outcome === "gone") {
        for (const stream of followed.values()) stream?.close();
        followed.clear();
        return;
    }
    pause = outcome === "away" ? Math.min(pause * 1.5, SLOWEST_LOOK_MS) : LOOK_MS;
    look();
};

// A page that nobody looks at holds no connection.
document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
        for (const [element, stream] of followed) {
            stream?.close();
            followed.set(element, null);
        }
        clearTimeout(looking);
        looking = 0;
    } else if (followed.size) {
        refresh().then(judge).then(distribute);
    }
});
