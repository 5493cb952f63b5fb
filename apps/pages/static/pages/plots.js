// Plots show the figure under the mouse or the finger, and with the arrow keys one after the other.

export const explore = (root) => {
    for (const plot of root.querySelectorAll("[data-plot]")) {
        const drawing = plot.querySelector(".drawing");
        const readout = plot.querySelector("[data-readout]");
        const summary = readout.textContent;
        const marks = [...plot.querySelectorAll(".mark")];
        // The line above the plot shows the figure sooner than a tooltip.
        for (const title of plot.querySelectorAll("title")) title.remove();
        let at = -1;

        const point = (index) => {
            marks[at]?.classList.remove("pointed");
            at = index;
            marks[at]?.classList.add("pointed");
            readout.textContent = marks[at]?.dataset.label ?? summary;
            readout.classList.toggle("pointed", at >= 0);
        };

        drawing.addEventListener("pointermove", (event) => {
            const mark = event.target.closest(".mark");
            if (mark) point(marks.indexOf(mark));
        });
        drawing.addEventListener("pointerdown", (event) => {
            const mark = event.target.closest(".mark");
            if (mark) point(marks.indexOf(mark));
        });
        drawing.addEventListener("pointerleave", (event) => {
            if (event.pointerType === "mouse") point(-1);
        });
        drawing.addEventListener("blur", () => point(-1));
        drawing.addEventListener("keydown", (event) => {
            const last = marks.length - 1;
            const next = {
                ArrowRight: Math.min(at + 1, last),
                ArrowLeft: Math.max(at - 1, 0),
                Home: 0,
                End: last,
                Escape: -1,
            }[event.key];
            if (next === undefined) return;
            event.preventDefault();
            point(next);
        });
        drawing.addEventListener("focus", () => readout.setAttribute("aria-live", "polite"));
    }
};
