"""Addresses of the tasks' API, for `include("apps.tasks.api.urls")`."""

from rest_framework.routers import SimpleRouter

from apps.tasks.api.views import TaskViewSet

router = SimpleRouter()
router.register("", TaskViewSet, basename="task")

urlpatterns = router.urls
