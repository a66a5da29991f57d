"""The users, groups and channels of the demo."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from instant.models import Channel

PASSWORD = "demo"
PEOPLE = [
    {"name": "admin", "about": "superuser and staff", "groups": ["editors"], "is_staff": True, "is_superuser": True},
    {"name": "sam", "about": "staff", "groups": [], "is_staff": True, "is_superuser": False},
    {"name": "alice", "about": "group editors", "groups": ["editors"], "is_staff": False, "is_superuser": False},
    {"name": "bob", "about": "group authors", "groups": ["authors"], "is_staff": False, "is_superuser": False},
]
CHANNELS = [
    ("news", Channel.Level.Public, []),
    ("users", Channel.Level.Users, []),
    ("team:editors", Channel.Level.Groups, ["editors"]),
    ("team:authors", Channel.Level.Groups, ["authors"]),
    ("staff", Channel.Level.Staff, []),
    ("ops", Channel.Level.Superuser, []),
]


def seed() -> None:
    """Create those users, groups and channels that do not exist yet."""
    for person in PEOPLE:
        user, created = get_user_model().objects.get_or_create(
            username=person["name"],
            defaults={"is_staff": person["is_staff"], "is_superuser": person["is_superuser"]},
        )
        if created:
            user.set_password(PASSWORD)
            user.save()
            user.groups.set([Group.objects.get_or_create(name=name)[0] for name in person["groups"]])
    for name, level, groups in CHANNELS:
        private = "" if level == Channel.Level.Public else "$"
        if not Channel.objects.filter(name=f"{private}{name}").exists():
            channel = Channel.objects.create(name=name, level=level)
            channel.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
