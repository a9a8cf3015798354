/** [south, west, north, east] of points. */
export function bounds(points) {
  if (!points.length) throw new RangeError("no points");
  const lat = points.map((p) => p[0]);
  const lon = points.map((p) => p[1]);
  return [Math.min(...lat), Math.min(...lon), Math.max(...lat), Math.max(...lon)];
}
