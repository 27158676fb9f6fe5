// Before the first paint: the colours that were chosen here, if any were. A file of its own, as the content security
// policy allows no script within the page.
try {
  const theme = localStorage.getItem("mainstay.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the colours follow the system.
}
