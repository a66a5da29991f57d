module django-instant/publisher

go 1.23
