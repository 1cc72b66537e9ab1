// What is wider than the page takes the focus, so that keys can scroll it, too.

const PAUSE = 250, WIDE = '.wide, pre';

/** Watch everything below `main` that may be too wide. */
export function scrolled(/** @type {HTMLElement} */ main) {
  let timer = 0;

  function look() {
    timer = 0;
    for (const each of main.querySelectorAll(WIDE))
      if (each.scrollWidth > each.clientWidth) each.setAttribute('tabindex', '0');
      else each.removeAttribute('tabindex');
  }

  const soon = () => { timer ||= window.setTimeout(look, PAUSE); };
  new MutationObserver(soon).observe(main, { childList: true, subtree: true });
  main.addEventListener('toggle', soon, true);
  addEventListener('resize', soon);
}
