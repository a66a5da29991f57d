"""`path("instant/", include("instant.urls"))`."""

from django.urls import path

from . import views

urlpatterns = [
    path("login/", views.login_and_get_tokens, name="instant-login"),
    path("get_token/", views.get_connection_token, name="instant-get-token"),
    path("subscribe/", views.channels_subscription, name="instant-subscribe"),
    path("logout/", views.logout, name="instant-logout"),
    path("proxy/rpc/", views.rpc, name="instant-rpc"),
    path("", views.frontend, name="instant-frontend"),
    path("labels.js", views.frontend_labels, name="instant-frontend-labels"),
]
