{# A script of its own, for a page that has none inline. What it declares stays inside of the function. #}window.instantLabels = (function () {
{% include "instant/event_class_format.js" %}
return { classes: label_classes, icons: label_icons };
})();
