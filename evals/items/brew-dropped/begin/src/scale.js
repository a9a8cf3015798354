/** A recipe for another number of cups. */
export function scale(recipe, cups) {
  const factor = cups / recipe.cups;
  return { ...recipe, cups, parts: recipe.parts.map((p) => ({ ...p, amount: p.amount * factor })) };
}
