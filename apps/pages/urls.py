"""Addresses of the pages."""

from django.urls import path, re_path

from apps.pages.views import account, documents, members, order, passwords, people, projects, tasks, tokens, two_factor

app_name = "pages"

urlpatterns = [
    path("", projects.home, name="home"),
    path("sign-in/", people.sign_in, name="sign-in"),
    path("sign-in/code/", people.second_step, name="second-step"),
    path("sign-in/forgotten/", passwords.forgotten, name="forgotten"),
    path("sign-in/new-password/<str:uidb64>/<str:token>/", passwords.new, name="new-password"),
    path("sign-out/", people.sign_out, name="sign-out"),
    path("account/", account.show, name="account"),
    path("account/address/<str:token>/", account.use_address, name="address"),
    path("account/confirm/", account.confirm, name="confirm"),
    path("account/password/", passwords.change, name="password"),
    path("account/sessions/end/", account.end_other_sessions, name="end-sessions"),
    path("account/sessions/<int:pk>/end/", account.end_session, name="end-session"),
    path("account/two-step/", two_factor.show, name="two-factor"),
    path("account/two-step/codes/", two_factor.renew, name="recovery-codes"),
    path("account/two-step/off/", two_factor.remove, name="remove-two-factor"),
    path("account/tokens/", tokens.show, name="tokens"),
    path("account/tokens/<int:pk>/revoke/", tokens.revoke, name="revoke-token"),
    path("projects/<int:pk>/", projects.show, name="project"),
    path("projects/<int:pk>/rename/", projects.rename, name="rename-project"),
    path("projects/<int:pk>/delete/", projects.delete, name="delete-project"),
    path("projects/<int:pk>/order/", order.show, name="order"),
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
    path("tasks/", tasks.show, name="tasks"),
    # Without NUL, which PostgreSQL refuses.
    re_path(r"^tasks/(?P<task_id>[^/\x00]+)/cancel/$", tasks.cancel, name="cancel-task"),
    path("documents/<int:pk>/", documents.show, name="document"),
    path("documents/<int:pk>/rename/", documents.rename, name="rename-document"),
    path("documents/<int:pk>/encoding/", documents.encoding, name="document-encoding"),
    path("documents/<int:pk>/move/", order.move, name="move-document"),
    path("documents/<int:pk>/delete/", documents.delete, name="delete-document"),
    path("documents/<int:pk>/process/", documents.process, name="process-document"),
]
