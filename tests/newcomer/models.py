"""What a newcomer's first application has: rows below a parent, moments, a column that may be empty."""

from __future__ import annotations

import uuid

from django.db import models

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
