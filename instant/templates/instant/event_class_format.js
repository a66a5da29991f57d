{# The CSS classes and icons of message labels, by event class. To override it, add a template of the same name to your project. #}var label_classes = {
    'default' : 'mq-label mq-default',
    'important' : 'mq-label mq-important',
    'ok' : 'mq-label mq-ok',
    'info' : 'mq-label mq-info',
    'debug' : 'mq-label mq-debug',
    'warning' : 'mq-label mq-warning',
    'error' : 'mq-label mq-error',
    'object created' : 'mq-label mq-created',
    'object edited' : 'mq-label mq-edited',
    'object deleted' : 'mq-label mq-deleted',
};
var label_icons = {
    'default' : '<i class="fa fa-flash"></i>',
    'important' : '<i class="fa fa-exclamation"></i>',
    'ok' : '<i class="fa fa-thumbs-up"></i>',
    'info' : '<i class="fa fa-info-circle"></i>',
    'debug' : '<i class="fa fa-cog"></i>',
    'warning' : '<i class="fa fa-exclamation"></i>',
    'error' : '<i class="fa fa-exclamation-triangle"></i>',
    'object edited' : '<i class="fa fa-pencil"></i>',
    'object created' : '<i class="fa fa-plus"></i>',
    'object deleted' : '<i class="fa fa-remove"></i>',
};
