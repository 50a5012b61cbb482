"""What a newcomer's first application has: rows below a parent, moments, a column that may be empty."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models.signals import post_init
from django.dispatch import receiver
from django.utils import timezone

from api.shaping import needs
from businesses.models import Company, User


class Project(models.Model):
    company = models.ForeignKey(Company, on_delete=models.CASCADE)
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Task(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tasks")
    assignee = models.ForeignKey(User, on_delete=models.CASCADE, null=True)
    title = models.CharField(max_length=50)
    code = models.UUIDField(default=uuid.uuid4)
    effort = models.FloatField(default=0.1)
    cost = models.DecimalField(max_digits=10, decimal_places=2, default="0.10")
    starts_at = models.DateTimeField()
    due = models.DateField(null=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.title

    @property
    @needs("due")
    def late(self) -> bool:
        return self.due is not None and self.due < timezone.now().date()


class LoudTask(Task):
    """Changes what it reads, as the documentation of `from_db` shows."""

    class Meta:
        proxy = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Any, values: Any) -> LoudTask:
        task = super().from_db(db, field_names, values)
        task.title = task.title.upper()
        return task


class MarkedTask(Task):
    """Is changed by a receiver."""

    class Meta:
        proxy = True


@receiver(post_init, sender=MarkedTask)
def mark(sender: type[MarkedTask], instance: MarkedTask, **more: Any) -> None:
    if "title" in instance.__dict__:
        instance.title = f"{instance.title}!"
