// Shows the next times of the schedule in the form while it is being filled in.

document.addEventListener("DOMContentLoaded", () => {
    const panel = document.getElementById("schedule-upcoming");
    const form = document.getElementById("schedule_form");
    if (!panel || !form) {
        return;
    }
    const fields = panel.dataset.fields.split(" ");
    let shown = null;
    let timer = 0;
    let running = null;

    const show = async () => {
        const values = new FormData(form);
        const query = new URLSearchParams({ pk: panel.dataset.pk });
        fields.forEach((name) => query.set(name, values.get(name) ?? ""));
        if (!query.get("cron") && !query.get("every")) {
            shown = null;
            panel.textContent = panel.dataset.empty;
            return;
        }
        if (query.toString() === shown) {
            return;
        }
        running?.abort();
        running = new AbortController();
        try {
            const response = await fetch(`${panel.dataset.url}?${query}`, { signal: running.signal });
            if (!response.ok || response.redirected) {
                throw new Error(response.statusText);
            }
            panel.innerHTML = await response.text();
            shown = query.toString();
        } catch (error) {
            if (error.name !== "AbortError") {
                panel.textContent = panel.dataset.failed;
                shown = null;
            }
        }
    };
    const later = () => {
        clearTimeout(timer);
        timer = setTimeout(show, 250);
    };
    // The calendar sets a date without an event, and gives its input the focus.
    ["input", "change", "focusin"].forEach((name) => form.addEventListener(name, later));
    show();
});
