"""The shop of the story: people place orders, and belong to offices of companies."""

from django.db import models


class Company(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class Office(models.Model):
    company = models.ForeignKey(Company, models.CASCADE, related_name="offices")
    name = models.CharField(max_length=50)
    city = models.CharField(max_length=50)
    directions = models.TextField()

    def __str__(self):
        return self.name


class Person(models.Model):
    name = models.CharField(max_length=50)
    offices = models.ManyToManyField(Office, related_name="people")

    def __str__(self):
        return self.name


class Address(models.Model):
    person = models.ForeignKey(Person, models.CASCADE, related_name="addresses")
    street = models.CharField(max_length=50)
    active = models.BooleanField()

    def __str__(self):
        return self.street


class Order(models.Model):
    number = models.IntegerField()
    placed_by = models.ForeignKey(Person, models.CASCADE, related_name="orders")

    def __str__(self):
        return str(self.number)


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    sku = models.CharField(max_length=20)

    def __str__(self):
        return self.sku


class Phone(models.Model):
    office = models.ForeignKey(Office, models.CASCADE, related_name="phones")
    number = models.CharField(max_length=20)

    def __str__(self):
        return self.number


class Room(models.Model):
    office = models.ForeignKey(Office, models.CASCADE, related_name="rooms")
    name = models.CharField(max_length=20)

    def __str__(self):
        return self.name
