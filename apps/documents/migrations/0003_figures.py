# What is found in a text besides its words and sentences; null for what was processed before.

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("documents", "0002_files"),
    ]

    operations = [
        migrations.AddField(
            model_name="analysis",
            name="dialogue_share",
            field=models.FloatField(help_text="The share of words in quotation marks, 0 to 1.", null=True),
        ),
        migrations.AddField(
            model_name="analysis",
            name="grade_level",
            field=models.FloatField(help_text="The school year that understands it. Null: none.", null=True),
        ),
        migrations.AddField(
            model_name="analysis",
            name="keywords",
            field=models.JSONField(help_text='`[{"text": "Elizabeth", "count": 635}]`, the best first.', null=True),
        ),
        migrations.AddField(
            model_name="analysis",
            name="language",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="ISO 639-1 code. Empty: it could not be told.",
                max_length=2,
            ),
        ),
        migrations.AddField(
            model_name="analysis",
            name="longest_sentences",
            field=models.JSONField(help_text='`[{"text": "It is", "words": 2}]`, the longest first.', null=True),
        ),
        migrations.AddField(
            model_name="analysis",
            name="reading_ease",
            field=models.FloatField(
                help_text="Flesch's, as fitted to the language: 100 is very easy, 0 very hard. Null: none.", null=True
            ),
        ),
        migrations.AddField(
            model_name="analysis",
            name="repeated_phrases",
            field=models.JSONField(
                help_text='`[{"text": "a great deal", "count": 23}]`, the most frequent first.', null=True
            ),
        ),
        migrations.AddField(
            model_name="chapter",
            name="dialogue_share",
            field=models.FloatField(help_text="The share of words in quotation marks, 0 to 1.", null=True),
        ),
        migrations.AddField(
            model_name="chapter",
            name="grade_level",
            field=models.FloatField(help_text="The school year that understands it. Null: none.", null=True),
        ),
        migrations.AddField(
            model_name="chapter",
            name="keywords",
            field=models.JSONField(help_text='`[{"text": "Elizabeth", "count": 635}]`, the best first.', null=True),
        ),
        migrations.AddField(
            model_name="chapter",
            name="language",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="ISO 639-1 code. Empty: it could not be told.",
                max_length=2,
            ),
        ),
        migrations.AddField(
            model_name="chapter",
            name="longest_sentences",
            field=models.JSONField(help_text='`[{"text": "It is", "words": 2}]`, the longest first.', null=True),
        ),
        migrations.AddField(
            model_name="chapter",
            name="reading_ease",
            field=models.FloatField(
                help_text="Flesch's, as fitted to the language: 100 is very easy, 0 very hard. Null: none.", null=True
            ),
        ),
        migrations.AddField(
            model_name="chapter",
            name="repeated_phrases",
            field=models.JSONField(
                help_text='`[{"text": "a great deal", "count": 23}]`, the most frequent first.', null=True
            ),
        ),
    ]
