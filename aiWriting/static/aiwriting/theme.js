// Darkens the page before its first text, as the reader chose. Alpine does it from then on.
{
    const chosen = (localStorage.getItem("_x_adminTheme") ?? "auto").replaceAll('"', "");
    const isDark = chosen === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : chosen === "dark";
    const root = document.documentElement.classList;
    if (isDark) root.add("dark");
    document.addEventListener("alpine:init", () => root.remove("dark"));
}
