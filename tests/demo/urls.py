from django.contrib import admin
from django.urls import include, path

from . import views

urlpatterns = [
    path("", views.index, name="demo"),
    path("publish/", views.publish_message, name="demo-publish"),
    path("admin/", admin.site.urls),
    path("instant/", include("instant.urls")),
]
