{# A separate script, because the page has no inline scripts. The function keeps the declarations local. #}window.instantLabels = (function () {
{% include "instant/event_class_format.js" %}
return { classes: label_classes, icons: label_icons };
})();
