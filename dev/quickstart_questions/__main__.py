from dev.quickstart_questions import lines, questions
from rgd.datasets.quickstart import FILE

FILE.write_text(lines(questions()), encoding="utf-8")
