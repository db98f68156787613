// Sizes and times as people read them, and lines of text as elements. Names of files are only ever
// set as text: whoever chose them must not write this page.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export function size(bytes) {
  let unit = 0
  while (bytes >= 1023.5 && unit < UNITS.length - 1) {
    bytes /= 1024
    unit += 1
  }
  return `${bytes >= 9.95 || unit === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${UNITS[unit]}`
}

export function time(seconds) {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

/** Tells a message to whoever hears the page rather than sees it. */
export function announce(message) {
  document.getElementById('messages').textContent = message
}
