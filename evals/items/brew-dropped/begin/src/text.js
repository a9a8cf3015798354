export function text(recipe) {
  return recipe.parts.map((p) => `${p.amount} ${p.unit} ${p.name}`).join("\n");
}
