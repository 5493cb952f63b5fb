from django.contrib import admin
from unfold.admin import ModelAdmin

from apps.tasks.models import Schedule


@admin.register(Schedule)
class ScheduleAdmin(ModelAdmin):
    pass
