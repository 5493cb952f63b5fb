"""The addresses of the site."""

from django.contrib import admin
from django.urls import include, path

from aiWriting import llms
from apps.pages.views import passwords, people
from apps.tasks.admin import now
from workers import health

admin.autodiscover()

handler400 = "aiWriting.error_pages.bad_request"
handler403 = "aiWriting.error_pages.forbidden"
handler404 = "aiWriting.error_pages.not_found"
handler500 = "aiWriting.error_pages.failed"

urlpatterns = [
    # The admin's links to the pages of rows on the site. No model here has such pages, and odd keys would be errors.
    path("admin/r/<path:url>", admin.site.admin_view(admin.site.catch_all_view)),
    # The pages' own, so that attempts are limited and the second factor is asked for in one place.
    path("admin/login/", people.sign_in, {"is_for_staff": True}),
    path("admin/logout/", people.sign_out),
    path("admin/password_change/", passwords.change),
    path("admin/", admin.site.admin_view(now.index)),
    path("admin/", admin.site.urls),
    path("api/", include("aiWriting.api")),
    path("llms.txt", llms.show, name="llms"),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("", include("apps.projects.urls")),
    path("", include("apps.pages.urls")),
]
