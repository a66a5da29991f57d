// Groups count at the level "groups" only, so they are shown there only.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const level = document.getElementById("id_level");
  const row = document.querySelector(".form-row.field-groups");
  if (!level || !row) return;
  const show = () => { row.hidden = level.value !== "groups"; };
  level.addEventListener("change", show);
  show();
});
