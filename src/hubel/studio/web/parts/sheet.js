// A style sheet of a page, loaded once, before the page is shown.

/** @returns {Promise<any>} */
export const sheets = (/** @type {string[]} */ ...names) => Promise.all(names.map((name) => sheet(new URL(name, import.meta.url).href)));

/** @returns {Promise<void>} */
function sheet(/** @type {string} */ address) {
  if ([...document.styleSheets].some((each) => each.href === address)) return Promise.resolve();
  return new Promise((resolve) => {
    const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: address });
    link.onload = link.onerror = () => resolve();
    document.head.append(link);
  });
}
