"""Addresses of the pages."""

from django.urls import path

from apps.pages.views import documents, members, people, projects

app_name = "pages"

urlpatterns = [
    path("", projects.home, name="home"),
    path("sign-in/", people.sign_in, name="sign-in"),
    path("sign-out/", people.sign_out, name="sign-out"),
    path("projects/<int:pk>/", projects.show, name="project"),
    path("projects/<int:pk>/rename/", projects.rename, name="rename-project"),
    path("projects/<int:pk>/delete/", projects.delete, name="delete-project"),
    path("projects/<int:pk>/upload/", projects.upload, name="upload"),
    path("projects/<int:pk>/paste/", projects.paste, name="paste"),
    path("projects/<int:pk>/process/", projects.process, name="process-project"),
    path("projects/<int:pk>/report/", projects.report, name="report"),
    path("projects/<int:pk>/members/", members.show, name="members"),
    path("projects/<int:pk>/members/invite/", members.invite, name="invite"),
    path("projects/<int:pk>/members/<int:user_id>/role/", members.change_role, name="member-role"),
    path("projects/<int:pk>/members/<int:user_id>/remove/", members.remove, name="remove-member"),
    path("projects/<int:pk>/members/<int:user_id>/hand-over/", members.hand_over, name="hand-over"),
    path("projects/<int:pk>/invitations/<int:invitation_id>/withdraw/", members.withdraw, name="withdraw-invitation"),
    path("invitations/<str:token>/", members.invitation, name="invitation"),
    path("documents/<int:pk>/", documents.show, name="document"),
    path("documents/<int:pk>/rename/", documents.rename, name="rename-document"),
    path("documents/<int:pk>/delete/", documents.delete, name="delete-document"),
    path("documents/<int:pk>/process/", documents.process, name="process-document"),
]
