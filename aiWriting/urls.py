"""The addresses of the site."""

from django.contrib import admin
from django.urls import include, path

from workers import health

handler400 = "aiWriting.error_pages.bad_request"
handler403 = "aiWriting.error_pages.forbidden"
handler404 = "aiWriting.error_pages.not_found"
handler500 = "aiWriting.error_pages.failed"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("aiWriting.api")),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("", include("apps.projects.urls")),
    path("", include("apps.pages.urls")),
]
