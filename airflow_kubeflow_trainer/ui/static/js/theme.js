// Following the theme of the Airflow page around this one.

function surroundings() {
  try {
    return window.parent === window ? null : window.parent.document;
  } catch {
    return null; // another origin
  }
}

/** Ground and typeface of the page around this one. */
function looks(outer) {
  if (!outer) return { "--ground": null, "--font": null };
  const grounds = [outer.body, outer.documentElement].map(
    (element) => window.parent.getComputedStyle(element).backgroundColor,
  );
  const opaque = grounds.find((ground) => !/^transparent$|, 0\)$/.test(ground));
  return { "--ground": opaque, "--font": window.parent.getComputedStyle(outer.body).fontFamily };
}

export function followTheme(changed) {
  const outer = surroundings();
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const classes = outer?.documentElement.classList;
    const dark = classes?.contains("dark") || (!classes?.contains("light") && system.matches);
    const root = document.documentElement;
    root.classList.toggle("dark", dark);
    for (const [name, value] of Object.entries(looks(outer))) {
      if (value) root.style.setProperty(name, value);
      else root.style.removeProperty(name);
    }
    changed();
  };
  if (outer) new MutationObserver(apply).observe(outer.documentElement, { attributeFilter: ["class"] });
  system.addEventListener("change", apply);
  apply();
}

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const PALETTE_SIZE = 8;

/** The colour of the n-th of many curves: a palette for few, the whole circle for many. */
export function curveColour(index, count) {
  if (count <= PALETTE_SIZE) return colour(`--curve-${index}`);
  const dark = document.documentElement.classList.contains("dark");
  return `hsl(${Math.round((360 * index) / count)} 65% ${dark ? 62 : 42}%)`;
}
