const KEY = 'kedge-reloaded-at';
/** A second failure within this time is no replaced console but a broken one, and reloading would go on for ever. */
const ONCE_PER_MS = 30_000;

/**
 * After an update the pages of the console have other file names, and one that was opened before asks for files that
 * are gone. Loading the page again brings the new ones; the address keeps the view.
 */
export function reloadWhenReplaced(): void {
  window.addEventListener('vite:preloadError', (event) => {
    const last = Number(sessionStorage.getItem(KEY) ?? 0);
    if (Date.now() - last < ONCE_PER_MS) return;
    event.preventDefault();
    sessionStorage.setItem(KEY, String(Date.now()));
    location.reload();
  });
}
