"""URL patterns: `path("instant/", include("instant.urls"))`."""

from django.urls import path

from .views import auth, demo_frontend, proxies, tokens

urlpatterns = [
    path("login/", auth.login_and_get_tokens, name="instant-login"),
    path("get_token/", tokens.get_connection_token, name="instant-get-token"),
    path("subscribe/", tokens.channels_subscription, name="instant-subscribe"),
    path("logout/", auth.logout, name="instant-logout"),
    path("proxy/rpc/", proxies.rpc, name="instant-rpc"),
    path("", demo_frontend.frontend, name="instant-frontend"),
    path("labels.js", demo_frontend.frontend_labels, name="instant-frontend-labels"),
]
