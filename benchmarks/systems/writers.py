"""Writers who ask the site, each with a project of their own."""

from apps.accounts.models import User
from apps.accounts.tokens.issuing import issue
from apps.projects.models import Project


def writer(username: str) -> dict[str, str]:
    """Make a user with a project, if there is none yet. Return a new token and the project's id."""
    user, _ = User.objects.get_or_create(username=username)
    project, _ = Project.objects.get_or_create(owner=user, name=username)
    _, token = issue(user, name="benchmark", days=1, is_from_password=True)
    return {"token": token, "project": str(project.pk)}
