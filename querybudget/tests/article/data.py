from querybudget.tests.article.models import Address, Company, Line, Office, Order, Person, Phone, Room

ORDERS = 20
OFFICES = 170
PLACES = 114
"""Offices of the people who placed the orders, each counted as often as somebody belongs to it."""


def make():
    companies = Company.objects.bulk_create(Company(name=f"company {index}") for index in range(3))
    offices = Office.objects.bulk_create(
        Office(
            company=companies[index % 3], name=f"office {index}", city=f"city {index}", directions="left, right; " * 4
        )
        for index in range(OFFICES)
    )
    people = Person.objects.bulk_create(Person(name=f"person {index}") for index in range(ORDERS))
    membership = Person.offices.through
    membership.objects.bulk_create(
        membership(person=people[index % ORDERS], office=offices[index]) for index in range(PLACES)
    )
    Address.objects.bulk_create(
        Address(person=person, street=f"{word} street", active=word == "new")
        for person in people
        for word in ("old", "new")
    )
    orders = Order.objects.bulk_create(Order(number=index, placed_by=people[index]) for index in range(ORDERS))
    Line.objects.bulk_create(Line(order=order, sku=sku) for order in orders for sku in ("bolt", "nut"))
    Phone.objects.bulk_create(Phone(office=office, number=str(office.pk)) for office in offices)
    Room.objects.bulk_create(Room(office=office, name=name) for office in offices for name in ("north", "south"))
