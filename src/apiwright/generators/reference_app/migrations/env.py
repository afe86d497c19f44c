from apiwright.kit import migrations

from app import models  # noqa: F401  (what the migrations are compared with)
from app.settings import Settings

migrations.run(Settings())
