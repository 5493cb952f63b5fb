// Uploads: several files, chosen or dropped, each with its own bar while it is sent. Those that are refused stay with
// their reasons until the writer dismisses them, also over a visit to another page of this tab.

import { announce, refresh } from "./regions.js";

const AT_ONCE = 2;

export const receive = (root) => {
    const form = root.querySelector("[data-upload]");
    if (!form) return;
    const input = form.querySelector('input[type="file"]');
    const zone = form.querySelector("[data-drop]");
    const list = form.querySelector("[data-uploads]");
    const summary = form.querySelector("[data-uploads-summary]");
    const dismissAll = form.querySelector("[data-dismiss-all]");
    const memory = memoryOf(`refused:${form.dataset.user}:${form.dataset.project}`);
    const waiting = [];
    let sending = 0;
    let paused = 0;
    let stored = 0;
    let refused = 0;
    // Files cannot be dropped with a thumb.
    if (matchMedia("(pointer: fine)").matches) form.querySelector("[data-drop-hint]").textContent = "or drop them here";

    const take = (files) => {
        for (const file of files) add(file);
        next();
    };

    const add = (file) => waiting.push({ file, item: lineOf(file.name) });

    const next = () => {
        while (!paused && sending < AT_ONCE && waiting.length) send(waiting.shift());
        const { length } = waiting;
        summary.textContent = length ? `${length} more ${length === 1 ? "file waits" : "files wait"}` : "";
        if (sending || length) return;
        refresh();
        const taken = `${stored} ${stored === 1 ? "file" : "files"} added`;
        announce(refused ? `${taken}, ${refused} not taken.` : `${taken}.`);
        stored = refused = 0;
    };

    const send = ({ file, item }) => {
        for (const old of item.querySelectorAll("progress, .note, .error, .row")) old.remove();
        item.className = "";
        // The files that are sent are above those that were refused, and those that wait are only counted.
        list.prepend(item);
        keep();
        const limit = Number(form.dataset.limit);
        if (file.size > limit) {
            refused += 1;
            refuse(item, `The file has ${megabytes(file.size)}, and at most ${megabytes(limit)} can be taken. ` +
                "Split it into several documents.");
            return;
        }
        const bar = document.createElement("progress");
        bar.max = 100;
        bar.value = 0;
        bar.setAttribute("aria-label", `Upload of ${file.name}`);
        const note = document.createElement("p");
        note.className = "note";
        note.textContent = "Being sent";
        item.append(bar, note);

        const body = new FormData();
        body.append("project", form.dataset.project);
        body.append("title", titleOf(file.name));
        body.append("file", file);
        const request = new XMLHttpRequest();
        request.open("POST", form.dataset.api);
        request.setRequestHeader("X-CSRFToken", form.querySelector('[name="csrfmiddlewaretoken"]').value);
        request.responseType = "json";
        request.upload.addEventListener("progress", (event) => {
            if (!event.lengthComputable) return;
            bar.value = (event.loaded / event.total) * 100;
            if (event.loaded === event.total) note.textContent = "Being looked at";
        });
        request.addEventListener("loadend", () => {
            sending -= 1;
            bar.remove();
            note.remove();
            if (request.status === 201) {
                stored += 1;
                done(item, request.response?.status === "undecided" ? "Added. Choose in the list how it reads." : "Added");
            } else if (request.status === 429 && Number(request.getResponseHeader("Retry-After"))) {
                pause({ file, item }, request);
            } else {
                refused += 1;
                const again = request.status === 0 || request.status >= 500 ? { file, item } : null;
                refuse(item, reason(request), again);
            }
            next();
        });
        sending += 1;
        request.send(body);
    };

    /** Send the file again, and all that wait behind it, when the server takes more. */
    const pause = (upload, request) => {
        const note = document.createElement("p");
        note.className = "note";
        note.textContent = `${reason(request)} It is sent then.`;
        upload.item.append(note);
        waiting.unshift(upload);
        paused += 1;
        setTimeout(() => {
            paused -= 1;
            next();
        }, Number(request.getResponseHeader("Retry-After")) * 1_000);
    };

    const done = (item, text) => {
        item.className = "done";
        const note = document.createElement("p");
        note.className = "note";
        note.textContent = text;
        item.append(note);
        setTimeout(() => item.remove(), 4_000);
    };

    const refuse = (item, sentence, again = null) => {
        item.className = "refused";
        const error = document.createElement("p");
        error.className = "error";
        error.textContent = sentence;
        const row = document.createElement("div");
        row.className = "row";
        if (again) row.append(button("Try again", () => { waiting.push(again); next(); }));
        row.append(button("Dismiss", () => dismiss(item)));
        item.append(error, row);
        list.append(item);
        keep();
    };

    const dismiss = (item) => {
        const neighbour = item.nextElementSibling ?? item.previousElementSibling;
        item.remove();
        keep();
        (neighbour?.querySelector(".row button:last-child") ?? input).focus();
    };

    /** Remember the refused files, and offer to dismiss all of them where there are several. */
    const keep = () => {
        const items = [...list.querySelectorAll(".refused")];
        memory.write(items.map((item) => [".name", ".error"].map((part) => item.querySelector(part).textContent)));
        dismissAll.hidden = items.length < 2;
    };

    const button = (text, act) => {
        const made = document.createElement("button");
        made.type = "button";
        made.className = "quiet";
        made.textContent = text;
        made.addEventListener("click", act);
        return made;
    };

    dismissAll.addEventListener("click", () => {
        for (const item of list.querySelectorAll(".refused")) item.remove();
        keep();
        input.focus();
    });
    // Those that the server refused before this ran, and those of an earlier visit.
    const earlier = [...list.querySelectorAll(".refused")].map((item) => {
        item.remove();
        return [".name", ".error"].map((part) => item.querySelector(part).textContent);
    });
    for (const [name, sentence] of [...earlier, ...memory.read()]) {
        refuse(lineOf(name), sentence);
    }

    input.required = false;
    input.addEventListener("change", () => {
        take(input.files);
        input.value = "";
    });
    // Files chosen before this ran, or kept by the browser after a step back.
    if (input.files.length) {
        take(input.files);
        input.value = "";
    }
    form.addEventListener("submit", (event) => event.preventDefault());

    // The browser would open a file that is dropped beside the zone.
    let depth = 0;
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    window.addEventListener("dragenter", (event) => {
        if (!carriesFiles(event)) return;
        depth += 1;
        zone.classList.add("over");
    });
    window.addEventListener("dragleave", (event) => {
        if (!carriesFiles(event)) return;
        depth = Math.max(depth - 1, 0);
        if (!depth) zone.classList.remove("over");
    });
    window.addEventListener("dragover", (event) => {
        if (carriesFiles(event)) event.preventDefault();
    });
    window.addEventListener("drop", (event) => {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        depth = 0;
        zone.classList.remove("over");
        take(event.dataTransfer.files);
    });
    window.addEventListener("beforeunload", (event) => {
        if (sending || waiting.length) event.preventDefault();
    });
};

const lineOf = (name) => {
    const item = document.createElement("li");
    const heading = document.createElement("p");
    heading.className = "name";
    heading.textContent = name;
    item.append(heading);
    return item;
};

/** Return the memory of a writer's refused files: pairs of name and reason. Signing out clears it. */
const memoryOf = (key) => ({
    read() {
        try {
            return JSON.parse(sessionStorage.getItem(key)) ?? [];
        } catch {
            return [];
        }
    },
    write(refused) {
        try {
            if (refused.length) sessionStorage.setItem(key, JSON.stringify(refused));
            else sessionStorage.removeItem(key);
        } catch {
            // The browser keeps nothing. The page shows them as long as it is open.
        }
    },
});

/** Return the reason for which a file was not taken, in a sentence for the writer. */
const reason = (request) => {
    const answer = request.response;
    if (request.status === 0) return "The connection was lost.";
    if (request.status === 401 || request.status === 403) return "You are no longer signed in. Reload the page.";
    if (answer && typeof answer === "object") {
        const [first] = Object.values(answer).flat();
        if (typeof first === "string") return first;
    }
    return "The file could not be taken because something went wrong on our side.";
};

const titleOf = (name) => (name.replace(/\.[^.]+$/, "").trim() || "Untitled").slice(0, 200);
const megabytes = (bytes) => `${(bytes / 1024 ** 2).toFixed(1)} MB`;
