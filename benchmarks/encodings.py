"""How many sentences of office documents are read right, by language and encoding."""

import unicodedata
from collections.abc import Iterator

from localdocs.errors import UnreadableFile
from localdocs.readers.encodings import decoded

_WESTERN = "cp1252 iso8859-15 mac-roman"
_CENTRAL = "cp1250 iso8859-2"
_CYRILLIC = "cp1251 koi8-r mac-cyrillic cp866"

# Encodings, and sentences between bars.
SENTENCES = {
    "en": (
        "cp1252 mac-roman",
        "The café is closed on Mondays – ask at reception.|Zoë’s résumé is in the blue folder."
        "|The fee is £45 per night, including breakfast.|“Please don’t lean bikes here.”"
        "|Keep the vaccine between 2 °C and 8 °C at all times.",
    ),
    "fr": (
        _WESTERN,
        "Le règlement intérieur est affiché à l'entrée.|Merci d'éteindre la lumière en sortant."
        "|La réunion a été reportée à jeudi prochain.|Les clés sont rangées dans le tiroir du haut."
        "|Où se trouve la sortie de secours la plus proche ?",
    ),
    "de": (
        _WESTERN,
        "Die Rechnung ist bis spätestens Freitag fällig.|Der Aufzug fährt nur bis zum dritten Stock"
        " – für Gäste gesperrt.|Bitte schließen Sie abends alle Fenster.|Frau Köhler ist für die "
        "Urlaubsanträge zuständig.|Die Prüfung dauert höchstens zwei Stunden.",
    ),
    "es": (
        _WESTERN,
        "El señor Ibáñez firmará el contrato mañana.|La habitación está en el segundo piso."
        "|¿Quién tiene la llave del almacén?|El número de teléfono está en el tablón."
        "|Los niños comen gratis los miércoles.",
    ),
    "it": (
        _WESTERN,
        "La biblioteca è chiusa il lunedì.|Il caffè è gratuito per tutti i dipendenti."
        "|Per la città si prende l'autobus numero sei.|Il modulo va firmato più volte."
        "|Perché il termine è stato prorogato di una settimana?",
    ),
    "pt": (
        _WESTERN,
        "A reunião começa às nove horas.|O formulário não está disponível.|Amanhã não há serviço "
        "de refeições.|O endereço do escritório mudou em março."
        "|As férias são marcadas com o chefe.",
    ),
    "sv": (
        _WESTERN,
        "Nyckeln till förrådet hänger i köket.|Mötet börjar klockan åtta på måndag."
        "|Räkningen ska betalas före månadens slut.|Hissen är ur funktion till lördag."
        "|Glöm inte att släcka när du går.",
    ),
    "da": (
        _WESTERN,
        "Nøglen hænger ved siden af døren.|Mødet er flyttet til på lørdag."
        "|Kantinen åbner klokken otte hver dag.|Regningen skal betales før den første."
        "|Spørg på kontoret, hvis printeren går i stå.",
    ),
    "nl": (
        _WESTERN,
        "De coördinator is maandag afwezig.|Alle cliënten krijgen een eigen dossier."
        "|De reünie is in het café aan de haven.|Het vaccin komt uit België, net als vorig jaar."
        "|Eén sleutel ligt bij de receptie.",
    ),
    "fi": (
        _WESTERN,
        "Kokous alkaa yhdeksältä neuvotteluhuoneessa.|Avain on pöydän ylimmässä laatikossa."
        "|Lasku täytyy maksaa ennen perjantaita.|Hissi ei ole käytössä tänään."
        "|Työntekijät syövät ilmaiseksi keskiviikkoisin.",
    ),
    "pl": (
        _CENTRAL,
        "Klucz do szatni wisi obok drzwi.|Faktura musi zostać opłacona do piątku."
        "|Zebranie zostało przełożone na środę.|Proszę zamykać okna po zakończeniu pracy."
        "|Dział księgowości mieści się na trzecim piętrze.",
    ),
    "cs": (
        _CENTRAL,
        "Klíč od skladu visí vedle dveří.|Schůze byla přeložena na čtvrtek."
        "|Účet je třeba zaplatit do konce měsíce.|Výtah je mimo provoz až do pondělí."
        "|Žádosti o dovolenou přijímá paní Dvořáková.",
    ),
    "hu": (
        _CENTRAL,
        "A kulcs az ajtó mellett lóg.|Az értekezlet jövő csütörtökre került át."
        "|A számlát péntekig kell kifizetni.|A lift hétfőig nem működik."
        "|A szabadságkérelmeket Kovács úr gyűjti össze.",
    ),
    "ro": (
        _CENTRAL,
        "Cheia de la depozit este lângă uşă.|Şedinţa a fost mutată pe joi."
        "|Factura trebuie plătită până vineri.|Liftul nu funcţionează până luni."
        "|Cererile de concediu se depun la secretară.",
    ),
    "hr": (
        _CENTRAL,
        "Ključ od skladišta visi pokraj vrata.|Sastanak je pomaknut na četvrtak."
        "|Račun treba platiti do kraja tjedna.|Dizalo ne radi do sljedećeg ponedjeljka."
        "|Zahtjeve za godišnji odmor prima gospođa Horvat.",
    ),
    "ru": (
        _CYRILLIC,
        "Ключ от склада висит у двери.|Собрание перенесено на четверг."
        "|Счёт нужно оплатить до пятницы.|Лифт не работает до понедельника."
        "|Заявления на отпуск принимает Анна Петровна.",
    ),
    "uk": (
        "cp1251 koi8-u mac-cyrillic",
        "Ключ від складу висить біля дверей.|Збори перенесено на четвер."
        "|Рахунок потрібно сплатити до п’ятниці.|Ліфт не працює до понеділка."
        "|Заяви на відпустку приймає пані Олена.",
    ),
    "bg": (
        _CYRILLIC,
        "Ключът за склада виси до вратата.|Събранието е отложено за четвъртък."
        "|Сметката трябва да се плати до петък.|Асансьорът не работи до понеделник."
        "|Молбите за отпуск приема госпожа Иванова.",
    ),
    "el": (
        "cp1253 iso8859-7",
        "Το κλειδί της αποθήκης είναι δίπλα στην πόρτα.|Η συνάντηση αναβλήθηκε για την Πέμπτη."
        "|Ο λογαριασμός πληρώνεται μέχρι την Παρασκευή.|Το ασανσέρ δεν λειτουργεί σήμερα."
        "|Οι αιτήσεις αδείας κατατίθενται στη γραμματεία.",
    ),
    "tr": (
        "cp1254 iso8859-9",
        "Deponun anahtarı kapının yanında asılı.|Toplantı perşembe gününe ertelendi."
        "|Fatura cuma gününe kadar ödenmelidir.|Asansör pazartesiye kadar çalışmıyor."
        "|İzin dilekçelerini Ayşe Hanım topluyor.",
    ),
    "he": (
        "cp1255 iso8859-8",
        "המפתח של המחסן תלוי ליד הדלת.|הישיבה נדחתה ליום חמישי.|יש לשלם את החשבון עד יום שישי."
        "|המעלית אינה פועלת עד יום שני.|בקשות לחופשה מוגשות במשרד.",
    ),
    "ar": (
        "cp1256 iso8859-6",
        "مفتاح المخزن معلق بجانب الباب.|تم تأجيل الاجتماع إلى يوم الخميس.|يجب دفع الفاتورة قبل يوم "
        "الجمعة.|المصعد لا يعمل حتى يوم الاثنين.|تقدم طلبات الإجازة في مكتب المدير.",
    ),
    "vi": (
        "cp1258",
        "Chìa khóa kho treo cạnh cửa ra vào.|Cuộc họp được dời sang thứ năm."
        "|Hóa đơn phải được thanh toán trước thứ sáu.|Thang máy không hoạt động đến thứ hai."
        "|Đơn xin nghỉ phép nộp tại văn phòng.",
    ),
    "lt": (
        "cp1257 iso8859-13",
        "Sandėlio raktas kabo šalia durų.|Susirinkimas nukeltas į ketvirtadienį."
        "|Sąskaitą reikia apmokėti iki penktadienio.|Liftas neveiks iki kitos savaitės pradžios."
        "|Prašymus dėl atostogų priima ponia Žemaitienė.",
    ),
    "lv": (
        "cp1257 iso8859-13",
        "Noliktavas atslēga karājas blakus durvīm.|Sapulce ir pārcelta uz ceturtdienu."
        "|Rēķins jāapmaksā līdz piektdienai.|Lifts nedarbojas līdz nākamajai nedēļai."
        "|Atvaļinājuma pieteikumus pieņem Bērziņas kundze.",
    ),
    "et": (
        "cp1257 iso8859-13",
        "Lao võti ripub ukse kõrval.|Koosolek lükati neljapäevale."
        "|Arve tuleb tasuda enne reedet.|Lift ei tööta esmaspäevani, kasutage treppi."
        "|Puhkuseavaldused võtab vastu proua Mägi.",
    ),
    "ja": (
        "cp932 euc-jp",
        "倉庫の鍵はドアの横に掛けてあります。|会議は木曜日に延期されました。|請求書は金曜日までに"
        "お支払いください。|エレベーターは月曜日まで使えません。|休暇の申請は総務部で受け付けます。",
    ),
    "ko": (
        "cp949",
        "창고 열쇠는 문 옆에 걸려 있습니다.|회의는 목요일로 연기되었습니다.|청구서는 금요일까지 "
        "지불해야 합니다.|엘리베이터는 월요일까지 운행하지 않습니다."
        "|휴가 신청은 총무부에서 받습니다.",
    ),
    "zh-Hans": (
        "gb18030",
        "仓库的钥匙挂在门旁边。|会议推迟到星期四。|账单必须在星期五之前付清。|电梯到下星期一才能使用。"
        "|休假申请请交到人事部。",
    ),
    "zh-Hant": (
        "big5",
        "倉庫的鑰匙掛在門旁邊。|會議延到星期四舉行。|帳單必須在星期五之前付清。|電梯到下星期一才能使用。"
        "|休假申請請交到人事部。",
    ),
    "th": (
        "cp874",
        "กุญแจห้องเก็บของแขวนอยู่ข้างประตู|การประชุมเลื่อนไปเป็นวันพฤหัสบดี|ต้องชำระเงินภายในวันศุกร์"
        "|ลิฟต์ใช้งานไม่ได้จนถึงวันจันทร์|ใบลาพักร้อนส่งที่ฝ่ายบุคคล",
    ),
}
_UNICODE = ("utf-8", "utf-16-le", "utf-16-be")
_TONES = "\u0300\u0301\u0303\u0309\u0323"


def print_table() -> None:
    """Prints how many sentences are read right: each alone in a file, and all in one."""
    print("| language | encoding | sentences | together |\n|---|---|---|---|")
    right = total = 0
    for language, encoding, sentences in _cases():
        count = sum(_is_read(sentence, encoding) for sentence in sentences)
        together = _is_read("\n".join(sentences * 20), encoding)
        print(f"| {language} | {encoding} | {count}/{len(sentences)} | {'yes' * together} |")
        if encoding not in _UNICODE:
            right, total = right + count, total + len(sentences)
    print(f"| all but Unicode | | {right}/{total} = {right / total:.1%} | |")


def _cases() -> Iterator[tuple[str, str, list[str]]]:
    for language, (encodings, joined) in SENTENCES.items():
        for encoding in (*encodings.split(), *_UNICODE):
            sentences = [text for text in joined.split("|") if not text.isascii()]
            yield language, encoding, [text for text in sentences if _encoded(text, encoding)]


def _encoded(text: str, encoding: str) -> bytes:
    """The text in the encoding, or nothing if that lacks a character."""
    if encoding == "cp1258":
        text = "".join(map(_with_tone_apart, text))
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return b""


def _with_tone_apart(letter: str) -> str:
    """A Vietnamese letter with its tone as a separate character, as in cp1258."""
    for mark in unicodedata.normalize("NFD", letter):
        if mark in _TONES:
            base = unicodedata.normalize("NFD", letter).replace(mark, "")
            return unicodedata.normalize("NFC", base) + mark
    return letter


def _is_read(text: str, encoding: str) -> bool:
    try:
        return decoded(_encoded(text, encoding)) == text
    except UnreadableFile:
        return False


if __name__ == "__main__":
    print_table()
