"""The vocabulary from which the demo ERP's people, firms and goods are named. All of them are invented."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


GIVEN = _words(
    "María José|Juan Carlos|Ana Belén|José María|Lucía|Ramón|Ñuria|Óscar|Verónica|Andrés|Sofía|Hugo|Noelia|Raúl|Inés|"
    "Martín|Rocío|César|Gabriela|Iván|Estefanía|Fabián|Zunilda|Milciades|Perla|Arnaldo|Nidia|Blas|Ña Ramona|Ángel|"
    "Celeste|Derlis|Myrian|Simón|Mónica|Tomás|Graciela|Édgar|Liz Paola|Víctor Hugo"
)
FAMILY = _words(
    "González|Benítez|Núñez|Giménez|Cáceres|Ibáñez|Peña|Acuña|Muñoz|Ortiz|Villalba|Fernández|O'Higgins|D'Ecclesiis|"
    "Domínguez|Báez|Zárate|Ayala|Duarte|Insfrán|Ríos|Cañete|Bogado|Ledesma|Añazco|Riquelme|Vázquez|Centurión|Ovelar|"
    "Dell'Orto|Güens|Mareco|Páez|Galeano|Argüello|Samaniego|Recalde|Yegros|Ñanduti|Escurra"
)
TRADES = _words(
    "Transportes|Agropecuaria|Ferretería|Distribuidora|Constructora|Frigorífico|Logística|Maderera|Estancia|Taller|"
    "Importadora|Panadería|Comercial|Cantera|Avícola|Molino|Turismo|Servicios Rurales|Hormigones|Farmacia"
)
FIRM_NAMES = _words(
    "El Lapacho|Ñandutí|Monday|San Blas|La Cordillera|Tres Fronteras|Yguazú|Pykasu|El Ñandú|Itá Enramada|Mbaracayú|"
    "Don Óscar|Santa Librada|Acaray|Jakarandá|Virgen de Caacupé|Guaraní|El Cañadón|Peña & Hijos|Hermanos Núñez|"
    "Ypacaraí|Tajy Poty|La Señorita|Amambay|Cerro Corá|Paraná Porã|Karumbé|Los Ángeles|Tacuary|Aguapety"
)
SUPPLIES = _words(
    "Petróleos|Lubricantes|Repuestos|Neumáticos|Bebidas|Alimentos|Lácteos|Distribuidora|Mayorista|Importadora|"
    "Papelera|Filtros|Accesorios|Limpieza|Energía|Gráfica"
)
LEGAL_FORMS = ("S.A.", "S.R.L.", "E.A.S.", "S.A.E.C.A.", "C.I.S.A.")
LONG_NAMES = (
    "Cooperativa Multiactiva de Producción, Consumo, Ahorro, Crédito y Servicios “San Cristóbal del Alto Paraná” Ltda.",
    "Asociación de Propietarios de Camiones y Transportistas Independientes de Carga del Departamento de Itapúa",
    "Consorcio Vial Ñu Guasu – Compañía Paraguaya de Pavimentos, Puentes y Obras Hidráulicas del Este S.A.E.C.A.",
    "Sucesores de Doña Encarnación Peña viuda de O'Higgins, Ganadería, Agricultura, Yerba y Anexos Sociedad Simple",
)
ODD_NAMES = ("Díaz & Díaz <Transportes> S.R.L.", 'Ferretería "El Ñato" – 50% más', "L'Été Pâtisserie E.A.S.")
ENGLISH_FIRMS = _words(
    "Green Valley Logistics Ltd.|Riverside Grain Exports LLC|Northgate Farm Machinery Inc.|Harbour & Sons Trading Ltd.|"
    "Blue Heron Charter Services|O'Connor Cattle Company|Tri-Border Freight Forwarders LLC|Sterling Oil Additives Inc.|"
    "Pacific Tyre Wholesale Ltd.|Lakeside Mission School|Whitfield Agronomics LLC|Summit Lubricants Co."
)
ENGLISH_PEOPLE = (
    "Emily Carter",
    "James O'Neill",
    "Hannah Brooks",
    "Peter Wiebe",
    "Katharina Friesen",
    "Robert Lindqvist",
)
CITIES = _words(
    "Ciudad del Este|Hernandarias|Presidente Franco|Minga Guazú|Asunción|Encarnación|Coronel Oviedo|Caaguazú|"
    "San Lorenzo|Luque|Caacupé|Santa Rita|Villarrica|Pedro Juan Caballero|Ñemby|Itauguá"
)
STREETS = _words(
    "Avda. San Blas|Avda. Mcal. López|Ruta PY02 km|Calle Ñeembucú|Avda. Monseñor Rodríguez|Calle Cnel. Bogado|"
    "Avda. Itaipú Oeste|Calle Capitán Miranda|Avda. Pioneros del Este|Calle Curupayty|Calle Adrián Jara"
)

#: Code, name, kind, address, city.
BRANCHES = (
    ("001", "Estación Centro", "station", "Avda. San Blas 1250", "Ciudad del Este"),
    ("002", "Estación Km 7", "station", "Ruta PY02 km 7", "Ciudad del Este"),
    ("003", "Estación Hernandarias", "station", "Supercarretera km 12", "Hernandarias"),
    ("004", "Estación Franco", "station", "Avda. Bernardino Caballero 480", "Presidente Franco"),
    ("005", "Estación Minga Guazú", "station", "Ruta PY02 km 20", "Minga Guazú"),
    ("006", "Estación Mcal. López", "station", "Avda. Mcal. López 3811", "Asunción"),
    ("007", "Tienda Ñandutí", "shop", "Calle Adrián Jara 122", "Ciudad del Este"),
    ("008", "Lubricentro Encarnación", "shop", "Ruta PY01 km 365", "Encarnación"),
)
#: Role, salary in guaraníes a month; the first three serve the whole company, the others each branch in turn.
OFFICE = (("gerente", 9_800_000), ("contadora", 6_200_000), ("compras", 4_600_000), ("compras", 4_300_000))
BRANCH_STAFF = (("encargado", 3_700_000), ("cajero", 2_950_000), ("playero", 2_850_000))

#: Code, name, whether stocked, last part of its accounts, margin on the price without IVA, share of the catalogue.
GROUPS = (
    ("COM", "Combustibles", True, "01", 0.16, 0.005),
    ("LUB", "Lubricantes", True, "02", 0.29, 0.14),
    ("REP", "Filtros y repuestos", True, "03", 0.33, 0.22),
    ("NEU", "Neumáticos", True, "04", 0.25, 0.09),
    ("BEB", "Bebidas", True, "05", 0.30, 0.15),
    ("ALI", "Alimentos", True, "05", 0.27, 0.17),
    ("LIM", "Limpieza y hogar", True, "05", 0.30, 0.10),
    ("ACC", "Accesorios del automóvil", True, "05", 0.35, 0.085),
    ("DIA", "Diarios, libros y revistas", True, "05", 0.22, 0.02),
    ("SER", "Servicios", False, "06", 1.0, 0.02),
)
#: Description, price with IVA in guaraníes a litre, whether diesel.
FUELS = (
    ("Nafta súper 93", 7_450, False),
    ("Nafta premium 97", 9_350, False),
    ("Diésel común", 7_690, True),
    ("Diésel premium S-10", 9_290, True),
    ("Flex E85", 6_480, False),
)
#: Of each group: nouns, makers, sizes, lowest and highest price with IVA in guaraníes, unit.
GOODS = {
    "LUB": (
        "Aceite 15W-40|Aceite 10W-40|Aceite 5W-30 sintético|Aceite hidráulico|Grasa de litio|Refrigerante",
        "Tatú|Yvytu|Kuarahy|Motorol|Águila Roja",
        "1 l|4 l|5 l|10 l|20 l",
        (28_000, 620_000),
        "un",
    ),
    "REP": (
        "Filtro de aceite|Filtro de aire|Filtro de combustible|Bujía|Correa|Pastillas de freno|Batería|Rodamiento",
        "Filtrex|Ñapyvõ|Autopar|Sur|Rodamax",
        "A-12|B-40|C-7|D-101|E-55|F-9",
        (18_000, 480_000),
        "un",
    ),
    "NEU": (
        "Neumático radial|Neumático de camión|Neumático agrícola|Cámara",
        "Caimán|Pantera|Lobo",
        "175/70 R13|205/55 R16|265/70 R16|295/80 R22.5|11R22.5|18.4-34|6.50-16|7.50-16|12.4-24",
        (190_000, 2_900_000),
        "un",
    ),
    "BEB": (
        "Agua mineral|Gaseosa cola|Gaseosa pomelo|Jugo de naranja|Bebida energizante|Tereré listo|Café",
        "Ykuá|Yguazú|Tropical|Ára",
        "250 ml|500 ml|1 l|2 l|2,5 l|pack × 6",
        (3_500, 42_000),
        "un",
    ),
    "ALI": (
        "Yerba mate|Arroz|Fideos|Leche entera|Galletitas|Alfajor|Chipa|Empanada|Sándwich|Queso Paraguay|Harina de maíz",
        "Ña Eustaquia|Campiña|Señora Ñeca|Del Valle",
        "100 g|250 g|500 g|1 kg|5 kg",
        (4_000, 58_000),
        "un",
    ),
    "LIM": (
        "Lavandina|Jabón en polvo|Detergente|Papel higiénico|Repelente|Pilas AA|Encendedor|Alcohol en gel",
        "Brillo|Limpito|Hogar",
        "chico|mediano|grande|familiar|× 12",
        (5_000, 65_000),
        "un",
    ),
    "ACC": (
        "Alfombra|Funda de asiento|Cargador USB|Ambientador|Gato hidráulico|Baliza|Extintor 1 kg|Cable de arranque",
        "Rutero|Viajero|Camino",
        "estándar|plus|premium|camión",
        (12_000, 350_000),
        "un",
    ),
    "DIA": (
        "Diario|Revista|Libro de rutas|Mapa",
        "Última Vuelta|El Este|Ñe'ẽ",
        "edición diaria|semanal|anual",
        (5_000, 60_000),
        "un",
    ),
    "SER": (
        "Lavado|Cambio de aceite|Alineación y balanceo|Engrase|Auxilio mecánico|Gomería",
        "básico|completo",
        "automóvil|camioneta|camión",
        (25_000, 260_000),
        "h",
    ),
}
#: The groups whose prices rise with the size; their sizes stand in this order.
BY_SIZE = ("LUB", "NEU", "BEB", "ALI", "LIM")
#: Of what is made for wheels: sizes, smallest first, lowest and highest price.
TYRES = {
    "Neumático radial": (
        "165/70 R13|175/70 R13|175/65 R14|185/65 R14|195/65 R15|205/55 R16|215/65 R16|225/70 R16|265/70 R16",
        (260_000, 1_150_000),
    ),
    "Neumático de camión": ("9.00-20|10.00-20|275/80 R22.5|11R22.5|295/80 R22.5|315/80 R22.5", (1_300_000, 2_900_000)),
    "Neumático agrícola": ("6.50-16|7.50-16|9.5-24|12.4-24|14.9-28|18.4-34", (420_000, 3_900_000)),
    "Cámara": ("R13|R14|R15|R16|R20|R22.5", (45_000, 190_000)),
}
FIVE_PERCENT = ("Yerba mate", "Arroz", "Fideos", "Leche entera", "Queso Paraguay", "Harina de maíz")
#: Make, model, tank in litres, kilometres a litre, whether diesel.
VEHICLES = (
    ("Scania", "R 450", 700, 2.6, True),
    ("Volvo", "FH 540", 680, 2.5, True),
    ("Mercedes-Benz", "Actros 2651", 620, 2.7, True),
    ("Iveco", "Tector 170E", 280, 3.9, True),
    ("Toyota", "Hilux SRV", 80, 9.5, True),
    ("Ford", "Ranger XLT", 80, 9.8, True),
    ("Kia", "Sportage", 60, 11.0, False),
    ("Chevrolet", "Onix", 44, 14.0, False),
    ("Volkswagen", "Gol", 50, 13.0, False),
    ("John Deere", "6110J", 220, 1.6, True),
)
DRIVERS_NOTE = ("", "", "", "Entregar por el portón trasero.", "Confirmar por teléfono antes de despachar.")
EXPENSES = ("almuerzo del personal", "artículos de oficina", "flete urbano", "reparación menor", "agua y hielo")
